// Cross-entropy in primitives. A target outside [0, V) picks a logit of 0: nll is then the log-sum-exp.
#include "core/graph/decompose.hpp"

namespace caddie::graph {
namespace {

std::vector<Value> emit_cross_entropy(const Emitter& e, Value z, Value targets) {
  const Value lse = emit_log_sum_exp(e, z);
  const Value surprise = e.sub(e.with_last(lse), z);  // -log p of every word
  const Value entropy = e.without_last(e.sum_last(e.mul(e.exp(e.neg(surprise)), surprise)));
  return {e.sub(lse, e.op(Op::pick, z, targets)), lse, entropy};
}

// dz = p (d_nll + d_lse + d_entropy (-log p - entropy)) - d_nll at the target.
struct RowGradients {
  Value targets, lse, entropy, d_nll, d_lse, d_entropy;

  explicit RowGradients(std::span<const Value> in)
      : targets(in[0]), lse(in[1]), entropy(in[2]), d_nll(in[3]), d_lse(in[4]), d_entropy(in[5]) {}
};

Value emit_logit_gradient(const Emitter& e, Value z, const RowGradients& row) {
  const Value surprise = e.sub(e.with_last(row.lse), z);
  const Value spread = e.mul(e.with_last(row.d_entropy), e.sub(surprise, e.with_last(row.entropy)));
  const Value level = e.with_last(e.add(row.d_nll, row.d_lse));
  const Value all = e.mul(e.exp(e.neg(surprise)), e.add(level, spread));
  const Shape shape = e.shape(z);
  const Value hit =
      e.graph.emit(Op::place, {row.d_nll, row.targets}, Attributes().set("size", shape[shape.rank() - 1]));
  return e.sub(all, hit);
}

// tanh(u / cap), and the logits cap * that; without a cap the logits are u.
struct Capped {
  Value bent = 0;
  Value logits = 0;
};

Capped emit_capped(const Emitter& e, Value u, double cap) {
  if (cap == 0) return {0, u};
  const Value bent = e.op(Op::tanh, e.div(u, e.scalar(cap)));
  return {bent, e.scale(bent, cap)};
}

std::vector<Value> cross_entropy(const Emitter& e, const Node&, std::span<const Value> in) {
  return emit_cross_entropy(e, in[0], in[1]);
}

std::vector<Value> cross_entropy_backward(const Emitter& e, const Node&, std::span<const Value> in) {
  return {emit_logit_gradient(e, in[0], RowGradients(in.subspan(1)))};
}

std::vector<Value> linear_cross_entropy(const Emitter& e, const Node& node, std::span<const Value> in) {
  const Capped capped = emit_capped(e, emit_linear(e, in[0], in[1]), node.attributes.real("cap"));
  return emit_cross_entropy(e, capped.logits, in[2]);
}

std::vector<Value> linear_cross_entropy_backward(const Emitter& e, const Node& node, std::span<const Value> in) {
  const Value x = in[0];
  const Value w = in[1];
  const Capped capped = emit_capped(e, emit_linear(e, x, w), node.attributes.real("cap"));
  Value du = emit_logit_gradient(e, capped.logits, RowGradients(in.subspan(2)));
  if (capped.bent != 0) du = e.mul(du, e.sub(e.scalar(1), e.mul(capped.bent, capped.bent)));
  const Axes rows = first_axes(e.shape(x).rank() - 1);
  return {e.dot(du, w, {}, {}, {-1}, {0}), e.dot(du, x, {}, {}, rows, rows)};
}

}  // namespace

Decomposition loss_decomposition(Op op) {
  switch (op) {
    case Op::cross_entropy: return cross_entropy;
    case Op::cross_entropy_backward: return cross_entropy_backward;
    case Op::linear_cross_entropy: return linear_cross_entropy;
    case Op::linear_cross_entropy_backward: return linear_cross_entropy_backward;
    default: return nullptr;
  }
}

}  // namespace caddie::graph
