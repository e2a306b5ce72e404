// A graph as text for people and tests.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/graph/custom.hpp"

namespace caddie::graph {
namespace {

template <class T>
std::string list_text(const std::vector<T>& list) {
  constexpr std::size_t kShown = 8;
  if (list.size() <= kShown) return fmt::format("[{}]", fmt::join(list, ", "));
  return fmt::format("[{}, ... {} in all]", fmt::join(list.begin(), list.begin() + kShown, ", "), list.size());
}

struct AttributeText {
  std::string operator()(std::int64_t number) const { return fmt::format("{}", number); }
  std::string operator()(double number) const { return fmt::format("{}", number); }
  std::string operator()(const std::vector<std::int64_t>& list) const { return list_text(list); }
  std::string operator()(const std::vector<double>& list) const { return list_text(list); }
};

std::string value_text(const Graph& graph, Value value) {
  return fmt::format("%{} {}{}", value, to_string(graph.dtype(value)), graph.shape(value).text());
}

std::string node_text(const Graph& graph, const Node& node) {
  std::string line;
  for (std::uint32_t i = 0; i < node.output_count; ++i) {
    line += (i > 0 ? ", " : "") + value_text(graph, node.first_output + i);
  }
  if (node.op == Op::leaf) {
    const Leaf& leaf = *graph.leaf_of(node.first_output);
    static constexpr const char* kinds[] = {"input", "parameter", "state"};
    return fmt::format("{} = {} \"{}\"", line, kinds[static_cast<int>(leaf.kind)], leaf.name);
  }
  line += node.op == Op::custom ? fmt::format(" = custom \"{}\"(", node.custom->form().name)
                                : fmt::format(" = {}(", info(node.op).name);
  for (std::size_t i = 0; i < node.inputs.size(); ++i) line += fmt::format("{}%{}", i > 0 ? ", " : "", node.inputs[i]);
  line += ")";
  for (const auto& [key, value] : node.attributes.entries())
    line += fmt::format(" {}={}", key, std::visit(AttributeText{}, value));
  if (node.site != 0) line += fmt::format(" site={:016x}", node.site);
  if (!graph.scope_name(node.scope).empty()) line += fmt::format("  # {}", graph.scope_name(node.scope));
  return line;
}

}  // namespace

std::string Graph::text() const {
  std::string out;
  for (const Node& node : nodes_) out += node_text(*this, node) + "\n";
  for (const Output& output : outputs_) out += fmt::format("output \"{}\" = %{}\n", output.name, output.value);
  for (const Update& update : updates_)
    out += fmt::format("update \"{}\" = %{}\n", leaf_of(update.leaf)->name, update.value);
  return out;
}

}  // namespace caddie::graph
