// Rules of operations without inputs.
#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "core/graph/shape_rules.hpp"

namespace caddie::graph {
namespace {

bool fits_i32(double value) {
  return value == std::floor(value) && value >= std::numeric_limits<std::int32_t>::min() &&
         value <= std::numeric_limits<std::int32_t>::max();
}

Result<void> constant_rule(RuleCall& call) {
  const auto shape = checked_shape(call.attributes.integers("shape"), "shape");
  if (!shape) return shape.error();
  const auto type = checked_dtype(call.attributes.integer("dtype"));
  if (!type) return type.error();
  const auto values = call.attributes.reals("values");
  if (values.size() != 1 && static_cast<std::int64_t>(values.size()) != shape->elements()) {
    return shape_error(fmt::format("{} values for shape {}; give one, or one for each of its {} elements",
                                   values.size(), shape->text(), shape->elements()));
  }
  if (*type == DType::i32) {
    for (const double value : values) {
      if (!fits_i32(value)) return argument_error(fmt::format("value {} is no 32-bit whole number", value));
    }
  }
  call.give(*type, *shape);
  return {};
}

Result<void> iota_rule(RuleCall& call) {
  const auto shape = checked_shape(call.attributes.integers("shape"), "shape");
  if (!shape) return shape.error();
  const auto type = checked_dtype(call.attributes.integer("dtype"));
  if (!type) return type.error();
  const auto axis = checked_axis(call.attributes.integer("axis"), shape->rank(), "axis");
  if (!axis) return axis.error();
  if (!fits_i32(static_cast<double>((*shape)[static_cast<int>(*axis)]))) {
    return shape_error(fmt::format("shape {} counts beyond 32 bits", shape->text()));
  }
  call.attributes.set("axis", *axis);
  call.give(*type, *shape);
  return {};
}

Result<void> uniform_rule(RuleCall& call) {
  const auto shape = checked_shape(call.attributes.integers("shape"), "shape");
  if (!shape) return shape.error();
  const double low = call.attributes.real("low");
  const double high = call.attributes.real("high");
  if (!std::isfinite(low) || !std::isfinite(high) || low > high) {
    return argument_error(fmt::format("low {} and high {} are no interval", low, high));
  }
  call.give(DType::f32, *shape);
  return {};
}

Result<void> normal_rule(RuleCall& call) {
  const auto shape = checked_shape(call.attributes.integers("shape"), "shape");
  if (!shape) return shape.error();
  const double std = call.attributes.real("std");
  if (!std::isfinite(call.attributes.real("mean")) || !std::isfinite(std) || std < 0) {
    return argument_error(fmt::format("mean {} and std {}; both are finite and std is not negative",
                                      call.attributes.real("mean"), std));
  }
  call.give(DType::f32, *shape);
  return {};
}

}  // namespace

ShapeRule source_rule(Op op) {
  switch (op) {
    case Op::constant: return constant_rule;
    case Op::iota: return iota_rule;
    case Op::random_uniform: return uniform_rule;
    case Op::random_normal: return normal_rule;
    default: return nullptr;
  }
}

}  // namespace caddie::graph
