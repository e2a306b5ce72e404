// Rules of elementwise operations. Arithmetic, comparison, choice and movement take f32 or i32, both operands alike;
// functions of reals take f32, bit and whole-number operations i32.
#include <fmt/format.h>

#include "core/graph/shape_rules.hpp"

namespace caddie::graph {
namespace {

Result<void> unary_any(RuleCall& call) {
  call.give(call.dtype(0), call.shape(0));
  return {};
}

Result<void> unary_f32(RuleCall& call) {
  if (auto good = require_dtype(call, 0, DType::f32); !good) return good;
  return unary_any(call);
}

Result<void> cast_rule(RuleCall& call) {
  const auto type = checked_dtype(call.attributes.integer("dtype"));
  if (!type) return type.error();
  call.give(*type, call.shape(0));
  return {};
}

Result<void> broadcast_pair(RuleCall& call, std::size_t first, std::size_t second, Shape& result) {
  if (broadcast_shapes(call.shape(first), call.shape(second), result)) return {};
  return shape_error(
      fmt::format("{} and {} do not broadcast: from the last axis backwards, lengths are equal or one of them is 1",
                  call.named(first), call.named(second)));
}

Result<void> binary_any(RuleCall& call) {
  if (auto good = require_same_dtype(call, 0, 1); !good) return good;
  Shape shape;
  if (auto good = broadcast_pair(call, 0, 1, shape); !good) return good;
  call.give(call.dtype(0), shape);
  return {};
}

template <DType type>
Result<void> binary_of(RuleCall& call) {
  for (const std::size_t input : {0U, 1U}) {
    if (auto good = require_dtype(call, input, type); !good) return good;
  }
  return binary_any(call);
}

Result<void> comparison(RuleCall& call) {
  if (auto good = binary_any(call); !good) return good;
  call.outputs[0].dtype = DType::f32;
  return {};
}

Result<void> where_rule(RuleCall& call) {
  if (auto good = require_same_dtype(call, 1, 2); !good) return good;
  Shape choices;
  if (auto good = broadcast_pair(call, 1, 2, choices); !good) return good;
  Shape shape;
  if (!broadcast_shapes(call.shape(0), choices, shape)) {
    return shape_error(
        fmt::format("{} does not broadcast with {} and {}", call.named(0), call.named(1), call.named(2)));
  }
  call.give(call.dtype(1), shape);
  return {};
}

}  // namespace

ShapeRule elementwise_rule(Op op) {
  switch (op) {
    case Op::neg:
    case Op::abs:
    case Op::sign:
    case Op::stop_gradient: return unary_any;
    case Op::exp:
    case Op::log:
    case Op::sin:
    case Op::cos:
    case Op::tanh:
    case Op::sqrt:
    case Op::rsqrt:
    case Op::recip:
    case Op::floor:
    case Op::round:
    case Op::sigmoid:
    case Op::round_bf16: return unary_f32;
    case Op::cast: return cast_rule;
    case Op::add:
    case Op::sub:
    case Op::mul:
    case Op::max:
    case Op::min: return binary_any;
    case Op::div:
    case Op::pow: return binary_of<DType::f32>;
    case Op::lt:
    case Op::le:
    case Op::eq: return comparison;
    case Op::bit_and:
    case Op::bit_or:
    case Op::bit_xor:
    case Op::shift_left:
    case Op::shift_right:
    case Op::int_div:
    case Op::int_mod: return binary_of<DType::i32>;
    case Op::where: return where_rule;
    default: return nullptr;
  }
}

}  // namespace caddie::graph
