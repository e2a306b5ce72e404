#include "runner/check/golden.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "core/base/file.hpp"
#include "core/base/text.hpp"
#include "runner/check/failure.hpp"

namespace caddie::check {

using nlohmann::json;

namespace {

void collect(const json& nested, std::size_t depth, std::vector<std::int64_t>& lengths, std::vector<double>& values) {
  if (!nested.is_array()) {
    if (!nested.is_number() || depth != lengths.size())
      throw Failure("a tensor's lists must be of one depth and hold numbers");
    values.push_back(nested.get<double>());
    return;
  }
  const auto length = static_cast<std::int64_t>(nested.size());
  if (depth == lengths.size()) {
    if (!values.empty()) throw Failure("a tensor's lists must be of one depth");
    lengths.push_back(length);
  }
  if (lengths[depth] != length || lengths.size() > static_cast<std::size_t>(graph::Shape::kMaxRank))
    throw Failure("a tensor's lists must be of one length at each depth");
  for (const json& entry : nested) collect(entry, depth + 1, lengths, values);
}

json nest(const Array& array, int axis, std::size_t& at) {
  if (axis == array.shape.rank()) return array.values[at++];
  json list = json::array();
  for (std::int64_t i = 0; i < array.shape[axis]; ++i) list.push_back(nest(array, axis + 1, at));
  return list;
}

using Runner = void (*)(Subject&, GoldenCase&, const json&);
Runner runner_of(const std::string& interface) {
  static const std::pair<const char*, Runner> table[] = {
      {"block", golden_block},         {"optimizer", golden_bank},        {"ttt", golden_bank},
      {"averager", golden_averager},   {"schedule", golden_schedule},     {"loader", golden_loader},
      {"quantizer", golden_quantizer}, {"compressor", golden_compressor}, {"evaluator", golden_evaluator}};
  for (const auto& [name, run] : table)
    if (interface == name) return run;
  throw Skip("there are no golden cases for this interface");
}

}  // namespace

Array array_from_json(const json& nested) {
  const bool is_whole = nested.is_object() && nested.contains("i32");
  std::vector<std::int64_t> lengths;
  std::vector<double> values;
  collect(is_whole ? nested["i32"] : nested, 0, lengths, values);
  const graph::Shape shape{std::span<const std::int64_t>(lengths)};
  return is_whole ? whole(shape, std::move(values)) : real(shape, std::move(values));
}

json to_json(const Array& array) {
  std::size_t at = 0;
  return nest(array, 0, at);
}

GoldenCase::GoldenCase(const json& json, std::string name) : json_(json), name_(std::move(name)) {
  tolerance_ = value("tolerance", 1e-9).get<double>();
  (void)value("name", "");
  (void)value("notes", "");
}

void GoldenCase::fail(const std::string& text) const { throw Failure(fmt::format("case \"{}\": {}", name_, text)); }

const json& GoldenCase::at(const std::string& key) {
  if (!json_.contains(key)) fail(fmt::format("has no \"{}\"", key));
  read_.push_back(key);
  return json_[key];
}

json GoldenCase::value(const std::string& key, const json& otherwise) { return has(key) ? at(key) : otherwise; }

Array GoldenCase::array(const std::string& key) { return array_from_json(at(key)); }

void GoldenCase::expect_all_read() const {
  for (const auto& [key, value] : json_.items()) {
    if (std::ranges::find(read_, key) == read_.end())
      fail(fmt::format("the key \"{}\" means nothing here{}", key, did_you_mean(key, read_)));
  }
}

void GoldenCase::expect(const std::string& what, const Array& actual, const json& expected_json) {
  const Array expected = array_from_json(expected_json);
  const std::string computed = actual.values.size() <= 64 ? fmt::format("; computed: {}", to_json(actual).dump()) : "";
  if (expected.shape != actual.shape)
    fail(fmt::format("{} has the shape {}, expected is {}{}", what, actual.shape.text(), expected.shape.text(),
                     computed));
  for (std::size_t i = 0; i < expected.values.size(); ++i) {
    const double error = std::abs(actual.values[i] - expected.values[i]);
    if (!(error <= tolerance_ * std::max(1.0, std::abs(expected.values[i])))) {
      fail(fmt::format("element {} of {} is {:.12g}, expected is {:.12g}{}", i, what, actual.values[i],
                       expected.values[i], computed));
    }
  }
}

void GoldenCase::expect_equal(const std::string& what, const json& actual, const json& expected) const {
  if (actual != expected) fail(fmt::format("{} is {}, expected is {}", what, actual.dump(), expected.dump()));
}

std::string run_golden(Subject& subject, const std::filesystem::path& file) {
  const auto text = read_text(file);
  if (!text) throw Failure(text.error().message());
  json content;
  try {
    content = json::parse(*text, nullptr, true, true);
  } catch (const json::exception& exception) {
    throw Failure(fmt::format("{}: is not JSON: {}", file.string(), exception.what()));
  }
  if (!content.is_object() || !content.contains("plugin") || !content.contains("cases") || !content["cases"].is_array())
    throw Failure(fmt::format("{}: must be an object with \"plugin\" and a list of \"cases\"", file.string()));
  if (content["plugin"] != subject.plugin().id)
    throw Skip(fmt::format("{} is about the plugin {}", file.string(), content["plugin"].dump()));
  const Runner run = runner_of(plugins::short_interface(subject.plugin().interface_id));
  std::size_t number = 0;
  for (const json& entry : content["cases"]) {
    ++number;
    if (!entry.is_object()) throw Failure(fmt::format("{}: case {} is no object", file.string(), number));
    GoldenCase test(entry, entry.value("name", std::to_string(number)));
    try {
      run(subject, test, subject.over_defaults(test.value("config", json::object())));
      test.expect_all_read();
    } catch (const json::exception& exception) {
      test.fail(std::string("has a value of the wrong type: ") + exception.what());
    } catch (const Failure& failure) {
      const std::string what = failure.what();
      if (what.starts_with("case ")) throw;
      test.fail(what);
    }
  }
  if (number == 0) throw Failure(fmt::format("{} has no cases", file.string()));
  return fmt::format("{} case{} of {}", number, number == 1 ? "" : "s", file.filename().string());
}

}  // namespace caddie::check
