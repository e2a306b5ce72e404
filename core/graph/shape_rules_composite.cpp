// Rules of composites and of their backward operations.
#include <fmt/format.h>

#include <cmath>

#include "core/graph/shape_rules.hpp"

namespace caddie::graph {
namespace {

Result<void> require_f32(const RuleCall& call, std::initializer_list<std::size_t> inputs) {
  for (const std::size_t input : inputs) {
    if (auto good = require_dtype(call, input, DType::f32); !good) return good;
  }
  return {};
}

Result<void> require_shape(const RuleCall& call, std::size_t input, const Shape& shape) {
  if (call.shape(input) == shape) return {};
  return shape_error(fmt::format("{} must be {}", call.named(input), shape.text()));
}

Shape without_last(const Shape& shape) {
  return Shape(shape.lengths().first(static_cast<std::size_t>(shape.rank() - 1)));
}
std::int64_t last(const Shape& shape) { return shape[shape.rank() - 1]; }

Result<void> require_last_axis(const RuleCall& call, std::size_t input) {
  if (call.shape(input).rank() >= 1) return {};
  return shape_error(fmt::format("{} is a scalar; a last axis is wanted", call.named(input)));
}

Result<void> softmax_rule(RuleCall& call) {
  if (auto good = require_f32(call, {0}); !good) return good;
  if (auto good = require_last_axis(call, 0); !good) return good;
  call.give(DType::f32, call.shape(0));
  return {};
}

Result<void> log_sum_exp_rule(RuleCall& call) {
  if (auto good = softmax_rule(call); !good) return good;
  call.outputs[0].shape = without_last(call.shape(0));
  return {};
}

Result<void> rms_norm_rule(RuleCall& call) {
  if (!(call.attributes.real("eps") >= 0))
    return argument_error(fmt::format("eps {} is negative", call.attributes.real("eps")));
  return softmax_rule(call);
}

Result<void> rms_norm_backward_rule(RuleCall& call) {
  if (auto good = require_f32(call, {1}); !good) return good;
  if (auto good = require_same_shape(call, 0, 1); !good) return good;
  return rms_norm_rule(call);
}

// eps, and weight (and bias) as long as the last axis of x.
Result<void> check_layer_norm(RuleCall& call, std::initializer_list<std::size_t> of_channels) {
  if (!(call.attributes.real("eps") >= 0))
    return argument_error(fmt::format("eps {} is negative", call.attributes.real("eps")));
  if (auto good = require_f32(call, {0, 1, 2}); !good) return good;
  if (auto good = require_last_axis(call, 0); !good) return good;
  for (const std::size_t input : of_channels) {
    if (auto good = require_shape(call, input, {last(call.shape(0))}); !good) return good;
  }
  return {};
}

Result<void> layer_norm_rule(RuleCall& call) {
  if (auto good = check_layer_norm(call, {1, 2}); !good) return good;
  call.give(DType::f32, call.shape(0));
  return {};
}

Result<void> layer_norm_backward_rule(RuleCall& call) {
  if (auto good = check_layer_norm(call, {1}); !good) return good;
  if (auto good = require_same_shape(call, 0, 2); !good) return good;
  call.give(DType::f32, call.shape(0));
  for (int i = 0; i < 2; ++i) call.give(DType::f32, call.shape(1));
  return {};
}

Result<void> rope_rule(RuleCall& call) {
  if (auto good = require_f32(call, {0, 1, 2}); !good) return good;
  if (auto good = require_rank(call, 0, 4); !good) return good;
  if (auto good = require_rank(call, 1, 2); !good) return good;
  if (auto good = require_same_shape(call, 1, 2); !good) return good;
  if (call.shape(1)[0] != call.shape(0)[1] || 2 * call.shape(1)[1] > call.shape(0)[3]) {
    return shape_error(fmt::format("{} [B,T,H,D] does not go with {} [T,P]: T must be equal and 2P at most D",
                                   call.named(0), call.named(1)));
  }
  call.give(DType::f32, call.shape(0));
  return {};
}

// ---- attention ------------------------------------------------------------------------------------------------------

Result<void> check_attention(RuleCall& call, std::size_t segments) {
  if (auto good = require_f32(call, {0, 1, 2}); !good) return good;
  for (const std::size_t input : {0U, 1U, 2U}) {
    if (auto good = require_rank(call, input, 4); !good) return good;
  }
  if (auto good = require_same_shape(call, 1, 2); !good) return good;
  const Shape& q = call.shape(0);
  const Shape& k = call.shape(1);
  if (q[0] != k[0] || q[3] != k[3]) {
    return shape_error(
        fmt::format("{} [B,T,H,D] and {} [B,S,K,D] must agree in B and D", call.named(0), call.named(1)));
  }
  if (q[2] % k[2] != 0) {
    return shape_error(fmt::format("{} has {} query heads, no multiple of the {} key heads of {}", call.named(0), q[2],
                                   k[2], call.named(1)));
  }
  if (!std::isfinite(call.attributes.real("scale"))) return argument_error("scale is not finite");
  const std::int64_t causal = call.attributes.integer("causal");
  const bool from_end = causal == 2 && q[1] != k[1];  // with as many keys as queries both masks are one
  if (from_end && q[1] > k[1]) {
    return shape_error(fmt::format("{} has {} queries, more than the {} keys of {}; causal=2 wants no more queries than "
                                   "keys", call.named(0), q[1], k[1], call.named(1)));
  }
  call.attributes.set("causal", std::int64_t{causal == 0 ? 0 : (from_end ? 2 : 1)});
  if (!call.has(segments)) return {};
  if (auto good = require_dtype(call, segments, DType::i32); !good) return good;
  if (call.shape(segments) != Shape{q[0], q[1]} || k[1] != q[1]) {
    return shape_error(fmt::format("{} must be [B, T] of {}, and {} must have the same T", call.named(segments),
                                   call.named(0), call.named(1)));
  }
  return {};
}

Shape lse_shape(const Shape& q) { return {q[0], q[2], q[1]}; }

Result<void> attention_rule(RuleCall& call) {
  if (auto good = check_attention(call, 3); !good) return good;
  call.give(DType::f32, call.shape(0));
  call.give(DType::f32, lse_shape(call.shape(0)));
  return {};
}

Result<void> attention_backward_rule(RuleCall& call) {
  if (auto good = check_attention(call, 6); !good) return good;
  if (auto good = require_f32(call, {3, 4, 5}); !good) return good;
  if (auto good = require_same_shape(call, 0, 3); !good) return good;
  if (auto good = require_shape(call, 4, lse_shape(call.shape(0))); !good) return good;
  if (auto good = require_same_shape(call, 0, 5); !good) return good;
  for (const std::size_t input : {0U, 1U, 2U}) call.give(DType::f32, call.shape(input));
  return {};
}

// ---- linear and losses ----------------------------------------------------------------------------------------------

Result<void> check_linear(const RuleCall& call) {
  if (auto good = require_f32(call, {0, 1}); !good) return good;
  if (auto good = require_last_axis(call, 0); !good) return good;
  if (auto good = require_rank(call, 1, 2); !good) return good;
  if (last(call.shape(0)) == last(call.shape(1))) return {};
  return shape_error(fmt::format("{} ends in {} but {} takes {}", call.named(0), last(call.shape(0)), call.named(1),
                                 last(call.shape(1))));
}

Result<void> linear_rule(RuleCall& call) {
  if (auto good = check_linear(call); !good) return good;
  Shape shape = without_last(call.shape(0));
  shape.append(call.shape(1)[0]);
  call.give(DType::f32, shape);
  return {};
}

// Targets and, for a backward operation, the per-row values after them.
Result<void> check_rows(const RuleCall& call, std::size_t targets) {
  if (auto good = require_dtype(call, targets, DType::i32); !good) return good;
  const Shape rows = without_last(call.shape(0));
  for (std::size_t input = targets; input < call.inputs.size(); ++input) {
    if (auto good = require_shape(call, input, rows); !good) return good;
    if (input == targets) continue;
    if (auto good = require_f32(call, {input}); !good) return good;
  }
  return {};
}

void give_rows(RuleCall& call) {
  for (int i = 0; i < 3; ++i) call.give(DType::f32, without_last(call.shape(0)));
}

Result<void> check_cross_entropy(RuleCall& call) {
  if (auto good = require_f32(call, {0}); !good) return good;
  if (auto good = require_last_axis(call, 0); !good) return good;
  return check_rows(call, 1);
}

Result<void> cross_entropy_rule(RuleCall& call) {
  if (auto good = check_cross_entropy(call); !good) return good;
  give_rows(call);
  return {};
}

Result<void> cross_entropy_backward_rule(RuleCall& call) {
  if (auto good = check_cross_entropy(call); !good) return good;
  call.give(DType::f32, call.shape(0));
  return {};
}

Result<void> check_linear_cross_entropy(RuleCall& call) {
  if (auto good = check_linear(call); !good) return good;
  const double cap = call.attributes.real("cap");
  if (!(cap >= 0) || !std::isfinite(cap))
    return argument_error(fmt::format("cap {} is not a limit; 0 means none", cap));
  return check_rows(call, 2);
}

Result<void> linear_cross_entropy_rule(RuleCall& call) {
  if (auto good = check_linear_cross_entropy(call); !good) return good;
  give_rows(call);
  return {};
}

Result<void> linear_cross_entropy_backward_rule(RuleCall& call) {
  if (auto good = check_linear_cross_entropy(call); !good) return good;
  call.give(DType::f32, call.shape(0));
  call.give(DType::f32, call.shape(1));
  return {};
}

}  // namespace

ShapeRule composite_rule(Op op) {
  switch (op) {
    case Op::softmax: return softmax_rule;
    case Op::log_sum_exp: return log_sum_exp_rule;
    case Op::rms_norm: return rms_norm_rule;
    case Op::layer_norm: return layer_norm_rule;
    case Op::rope: return rope_rule;
    case Op::attention: return attention_rule;
    case Op::linear: return linear_rule;
    case Op::cross_entropy: return cross_entropy_rule;
    case Op::linear_cross_entropy: return linear_cross_entropy_rule;
    case Op::rms_norm_backward: return rms_norm_backward_rule;
    case Op::layer_norm_backward: return layer_norm_backward_rule;
    case Op::attention_backward: return attention_backward_rule;
    case Op::cross_entropy_backward: return cross_entropy_backward_rule;
    case Op::linear_cross_entropy_backward: return linear_cross_entropy_backward_rule;
    default: return nullptr;
  }
}

}  // namespace caddie::graph
