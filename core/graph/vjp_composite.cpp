// Derivatives of composites. Those with a fused backward operation emit it; the others are short in primitives.
#include "core/graph/custom.hpp"
#include "core/graph/vjp.hpp"

namespace caddie::graph {
namespace {

// dx = y (g - sum(g y)).
void softmax_vjp(VjpCall& c) {
  const Value sum = c.e.sum_last(c.e.mul(c.adjoint(), c.out()));
  c.gradients[0] = c.e.mul(c.out(), c.e.sub(c.adjoint(), sum));
}

void log_sum_exp_vjp(VjpCall& c) {
  const Value weights = c.e.exp(c.e.sub(c.in(0), c.e.with_last(c.out())));
  c.gradients[0] = c.e.mul(c.e.with_last(c.adjoint()), weights);
}

void rms_norm_vjp(VjpCall& c) {
  c.gradients[0] = c.e.graph.emit(Op::rms_norm_backward, {c.in(0), c.adjoint()}, c.node.attributes);
}

void give_outputs(VjpCall& c, Value first, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) c.gradients[i] = c.e.graph.output_of(first, static_cast<std::uint32_t>(i));
}

void layer_norm_vjp(VjpCall& c) {
  give_outputs(c, c.e.graph.emit(Op::layer_norm_backward, {c.in(0), c.in(1), c.adjoint()}, c.node.attributes), 3);
}

// The turn back, and for the tables sums over batch and heads: with x = (a, b), dcos = ga a + gb b, dsin = ga b - gb a.
void rope_vjp(VjpCall& c) {
  const Emitter& e = c.e;
  const Value g = c.adjoint();
  if (c.wanted[0]) c.gradients[0] = e.graph.emit(Op::rope, {g, c.in(1), e.neg(c.in(2))});
  if (!c.wanted[1] && !c.wanted[2]) return;
  const std::int64_t pairs = c.shape(1)[1];
  const Value a = e.slice_axis(c.in(0), 3, 0, pairs);
  const Value b = e.slice_axis(c.in(0), 3, pairs, pairs);
  const Value ga = e.slice_axis(g, 3, 0, pairs);
  const Value gb = e.slice_axis(g, 3, pairs, pairs);
  const auto total = [&](Value x) { return e.reduce(Op::reduce_sum, x, {0, 2}, false); };
  if (c.wanted[1]) c.gradients[1] = total(e.add(e.mul(ga, a), e.mul(gb, b)));
  if (c.wanted[2]) c.gradients[2] = total(e.sub(e.mul(ga, b), e.mul(gb, a)));
}

void linear_vjp(VjpCall& c) {
  const Axes rows = first_axes(c.shape(0).rank() - 1);
  if (c.wanted[0]) c.gradients[0] = c.e.dot(c.adjoint(), c.in(1), {}, {}, {-1}, {0});
  if (c.wanted[1]) c.gradients[1] = c.e.dot(c.adjoint(), c.in(0), {}, {}, rows, rows);
}

void attention_vjp(VjpCall& c) {
  std::vector<Value> inputs{c.in(0), c.in(1), c.in(2), c.out(0), c.out(1), c.adjoint()};
  if (c.node.inputs.size() > 3) inputs.push_back(c.in(3));
  give_outputs(c, c.e.graph.emit(Op::attention_backward, inputs, c.node.attributes), 3);
}

// lse, entropy and the three gradients for a backward operation. Without a gradient of the entropy its value is not
// needed either: zeros stand in, so that nothing computes it.
void append_rows(const VjpCall& c, std::vector<Value>& inputs) {
  const bool with_entropy = c.adjoints[2] != 0;
  inputs.push_back(c.out(1));
  inputs.push_back(with_entropy ? c.out(2) : c.e.filled(c.e.shape(c.out(2)), 0));
  for (std::uint32_t i = 0; i < 3; ++i) inputs.push_back(c.adjoint_or_zeros(i));
}

void cross_entropy_vjp(VjpCall& c) {
  std::vector<Value> inputs{c.in(0), c.in(1)};
  append_rows(c, inputs);
  c.gradients[0] = c.e.graph.emit(Op::cross_entropy_backward, inputs);
}

void linear_cross_entropy_vjp(VjpCall& c) {
  std::vector<Value> inputs{c.in(0), c.in(1), c.in(2)};
  append_rows(c, inputs);
  give_outputs(c, c.e.graph.emit(Op::linear_cross_entropy_backward, inputs, c.node.attributes), 2);
}

Vjp composite_function(Op op) {
  switch (op) {
    case Op::softmax: return softmax_vjp;
    case Op::log_sum_exp: return log_sum_exp_vjp;
    case Op::rms_norm: return rms_norm_vjp;
    case Op::layer_norm: return layer_norm_vjp;
    case Op::rope: return rope_vjp;
    case Op::attention: return attention_vjp;
    case Op::linear: return linear_vjp;
    case Op::cross_entropy: return cross_entropy_vjp;
    case Op::linear_cross_entropy: return linear_cross_entropy_vjp;
    case Op::custom: return custom_vjp;
    default: return nullptr;
  }
}

}  // namespace

VjpRow composite_vjp(Op op) {
  const OpInfo* row = find_op(static_cast<std::uint32_t>(op));
  if (row != nullptr && row->kind == OpKind::backward) return {VjpRow::Kind::refused, nullptr};
  const Vjp function = composite_function(op);
  return function != nullptr ? VjpRow{VjpRow::Kind::function, function} : VjpRow{};
}

}  // namespace caddie::graph
