#include "core/graph/shape_rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/base/text.hpp"

namespace caddie::graph {

ShapeRule shape_rule(Op op) {
  using Family = ShapeRule (*)(Op);
  static constexpr Family families[] = {elementwise_rule, movement_rule, reduction_rule, contraction_rule,
                                        source_rule,      index_rule,    composite_rule};
  static const std::vector<ShapeRule> table = [] {
    std::vector<ShapeRule> rules;
    for (const OpInfo& row : all_ops()) {
      const auto code = static_cast<std::size_t>(row.op);
      if (code >= rules.size()) rules.resize(code + 1, nullptr);
      for (const Family family : families) {
        if (const ShapeRule rule = family(row.op)) rules[code] = rule;
      }
    }
    return rules;
  }();
  const auto code = static_cast<std::size_t>(op);
  return code < table.size() ? table[code] : nullptr;
}

std::string RuleCall::named(std::size_t input) const {
  const std::size_t last = op.inputs.size() - 1;
  const std::string name =
      op.max_inputs > 100 ? fmt::format("{}[{}]", op.inputs[last], input) : op.inputs[std::min(input, last)];
  return fmt::format("{} {}", name, shape(input).text());
}

// ---- attributes -----------------------------------------------------------------------------------------------------

namespace {

const char* type_name(AttributeType type) {
  static constexpr const char* names[] = {"an int", "a list of ints", "a float", "a list of floats"};
  return names[static_cast<int>(type)];
}

// The value in the type the table asks for; whole numbers serve as reals.
Result<AttributeValue> converted(const AttributeInfo& row, const AttributeValue& value) {
  if (value.index() == static_cast<std::size_t>(row.type)) return value;
  if (row.type == AttributeType::real) {
    if (const auto* whole = std::get_if<std::int64_t>(&value)) return AttributeValue(static_cast<double>(*whole));
  }
  if (row.type == AttributeType::reals) {
    if (const auto* whole = std::get_if<std::vector<std::int64_t>>(&value)) {
      return AttributeValue(std::vector<double>(whole->begin(), whole->end()));
    }
  }
  return argument_error(fmt::format("attribute {} is {} but was given {}", row.key, type_name(row.type),
                                    type_name(static_cast<AttributeType>(value.index()))));
}

Result<AttributeValue> default_of(const AttributeInfo& row) {
  switch (row.type) {
    case AttributeType::integers: return AttributeValue(std::vector<std::int64_t>());
    case AttributeType::reals: return AttributeValue(std::vector<double>());
    case AttributeType::integer:
      if (row.has_default) return AttributeValue(static_cast<std::int64_t>(row.default_value));
      break;
    case AttributeType::real:
      if (row.has_default) return AttributeValue(row.default_value);
      break;
  }
  return argument_error(fmt::format("attribute {} ({}) is missing", row.key, type_name(row.type)));
}

Error unknown_attribute(const OpInfo& op, const Attributes& attributes) {
  std::vector<std::string> known;
  for (const AttributeInfo& row : op.attributes) known.push_back(row.key);
  for (const auto& [key, value] : attributes.entries()) {
    if (std::ranges::find(known, key) != known.end()) continue;
    return argument_error(fmt::format("unknown attribute \"{}\"{}", key, did_you_mean(key, known)));
  }
  return argument_error("attributes are not those of the table");
}

}  // namespace

Result<void> complete_attributes(const OpInfo& op, Attributes& attributes) {
  if (op.attributes.empty() && attributes.entries().empty()) return {};
  Attributes complete;
  std::size_t used = 0;
  for (const AttributeInfo& row : op.attributes) {
    const AttributeValue* given = attributes.find(row.key);
    Result<AttributeValue> value = given != nullptr ? converted(row, *given) : default_of(row);
    if (!value) return value.error();
    if (const auto* number = std::get_if<double>(&*value); number != nullptr && std::isnan(*number)) {
      return argument_error(fmt::format("attribute {} is not a number", row.key));
    }
    used += given != nullptr ? 1 : 0;
    complete.set(row.key, std::move(*value));
  }
  if (used != attributes.entries().size()) return unknown_attribute(op, attributes);
  attributes = std::move(complete);
  return {};
}

// ---- pieces ---------------------------------------------------------------------------------------------------------

Error shape_error(std::string text) { return {Code::shape, "", std::move(text)}; }
Error argument_error(std::string text) { return {Code::argument, "", std::move(text)}; }

Result<void> require_dtype(const RuleCall& call, std::size_t input, DType type) {
  if (call.dtype(input) == type) return {};
  return argument_error(fmt::format("{} is {}, but {} is wanted; cast it first", call.named(input),
                                    to_string(call.dtype(input)), to_string(type)));
}

Result<void> require_rank(const RuleCall& call, std::size_t input, int rank) {
  if (call.shape(input).rank() == rank) return {};
  return shape_error(
      fmt::format("{} has {} axes, but {} are wanted", call.named(input), call.shape(input).rank(), rank));
}

Result<void> require_same_dtype(const RuleCall& call, std::size_t first, std::size_t second) {
  if (call.dtype(first) == call.dtype(second)) return {};
  return argument_error(fmt::format("{} is {} but {} is {}; cast one of them", call.named(first),
                                    to_string(call.dtype(first)), call.named(second), to_string(call.dtype(second))));
}

Result<void> require_same_shape(const RuleCall& call, std::size_t first, std::size_t second) {
  if (call.shape(first) == call.shape(second)) return {};
  return shape_error(fmt::format("{} and {} must have the same shape", call.named(first), call.named(second)));
}

Result<Shape> checked_shape(std::span<const std::int64_t> lengths, const char* what) {
  if (lengths.size() > Shape::kMaxRank) {
    return shape_error(fmt::format("{} has {} axes; at most {} are possible", what, lengths.size(), Shape::kMaxRank));
  }
  const Shape shape(lengths);
  std::int64_t elements = 1;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] < 1) {
      return shape_error(
          fmt::format("{} {} has length {} on axis {}; lengths are at least 1", what, shape.text(), shape[axis], axis));
    }
    if (shape[axis] > kMaxElements / elements) {
      return shape_error(fmt::format("{} {} has more than 2^40 elements", what, shape.text()));
    }
    elements *= shape[axis];
  }
  return shape;
}

Result<std::int64_t> checked_axis(std::int64_t axis, int rank, const char* what) {
  if (axis >= -rank && axis < rank) return axis < 0 ? axis + rank : axis;
  return argument_error(fmt::format("{} {} is outside a value of {} axes", what, axis, rank));
}

Result<std::vector<std::int64_t>> checked_axes(const RuleCall& call, const char* key, std::size_t input) {
  const int rank = call.shape(input).rank();
  std::vector<std::int64_t> axes;
  for (const std::int64_t given : call.attributes.integers(key)) {
    const auto axis = checked_axis(given, rank, key);
    if (!axis) return argument_error(fmt::format("{}: {} names axis {}", call.named(input), key, given));
    if (std::ranges::find(axes, *axis) != axes.end()) {
      return argument_error(fmt::format("{}: {} names axis {} twice", call.named(input), key, given));
    }
    axes.push_back(*axis);
  }
  return axes;
}

Result<DType> checked_dtype(std::int64_t number) {
  if (number == static_cast<std::int64_t>(DType::f32)) return DType::f32;
  if (number == static_cast<std::int64_t>(DType::i32)) return DType::i32;
  return argument_error(fmt::format("dtype {} is unknown; 1 is f32, 7 is i32", number));
}

}  // namespace caddie::graph
