#include "runner/manifest/layers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace caddie::manifest {
namespace {

constexpr std::string_view kForms = R"(write a number, "all", "8:", "2:5", ":3", "last:4" or a list of these)";

Error bad(std::string text) { return {Code::argument, "", std::move(text)}; }

std::optional<int> as_number(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

Result<std::vector<int>> range(std::string_view text, int begin, int end, int layer_count) {
  if (begin < 0 || end > layer_count) {
    return bad(fmt::format("\"{}\" reaches beyond the {} layers of the model", text, layer_count));
  }
  if (begin >= end) return bad(fmt::format("\"{}\" names no layer of the {} the model has", text, layer_count));
  std::vector<int> layers(static_cast<std::size_t>(end - begin));
  std::iota(layers.begin(), layers.end(), begin);
  return layers;
}

Result<std::vector<int>> expand_text(std::string_view text, int layer_count) {
  if (text == "all") return range(text, 0, layer_count, layer_count);
  const Error unknown = bad(fmt::format("\"{}\" names no layers; {}", text, kForms));
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) {
    const std::optional<int> one = as_number(text);
    if (!one) return unknown;
    return expand_layers(Json(*one), layer_count);
  }
  const std::string_view left = text.substr(0, colon);
  const std::string_view right = text.substr(colon + 1);
  if (left == "last") {
    const std::optional<int> count = as_number(right);
    if (!count) return unknown;
    return range(text, *count > layer_count ? -1 : layer_count - *count, layer_count, layer_count);
  }
  const std::optional<int> begin = left.empty() ? std::optional<int>(0) : as_number(left);
  const std::optional<int> end = right.empty() ? std::optional<int>(layer_count) : as_number(right);
  if (!begin || !end || text == ":") return unknown;
  return range(text, *begin, *end, layer_count);
}

Result<std::vector<int>> expand_list(const Json& list, int layer_count) {
  std::vector<int> layers;
  for (const Json& item : list) {
    if (item.is_array()) return bad(fmt::format("a list of layers holds no lists; {}", kForms));
    Result<std::vector<int>> some = expand_layers(item, layer_count);
    if (!some) return some;
    layers.insert(layers.end(), some->begin(), some->end());
  }
  if (layers.empty()) return bad("the list names no layer; name one, or remove the entry");
  std::sort(layers.begin(), layers.end());
  const auto twice = std::adjacent_find(layers.begin(), layers.end());
  if (twice != layers.end()) return bad(fmt::format("layer {} is named twice; name it once", *twice));
  return layers;
}

}  // namespace

Result<std::vector<int>> expand_layers(const Json& layers, int layer_count) {
  if (layers.is_string()) return expand_text(layers.get_ref<const std::string&>(), layer_count);
  if (layers.is_array()) return expand_list(layers, layer_count);
  if (!layers.is_number_integer()) return bad(fmt::format("layers cannot be a {}; {}", layers.type_name(), kForms));
  const std::int64_t layer = layers.get<std::int64_t>();
  if (layer < 0 || layer >= layer_count) {
    return bad(fmt::format("there is no layer {}; the model has layers 0 to {}", layer, layer_count - 1));
  }
  return std::vector<int>{static_cast<int>(layer)};
}

}  // namespace caddie::manifest
