// Attention in primitives. Query heads are seen as [K, G]: key head and place in its group, so that keys and values are
// never repeated. Scores are [B, K, T, G, S].
#include "core/graph/decompose.hpp"

namespace caddie::graph {
namespace {

constexpr double kHidden = -1e30;  // a score whose weight is exactly 0

struct Sizes {
  std::int64_t B, T, H, D, S, K, G;

  Sizes(const Shape& q, const Shape& k) : B(q[0]), T(q[1]), H(q[2]), D(q[3]), S(k[1]), K(k[2]), G(q[2] / k[2]) {}
};

// 1 where query t may look at key s, broadcasting to the scores; 0 when everything may. causal 1: s <= t; 2: the last
// query sees the last key.
Value visible(const Emitter& e, const Sizes& n, std::int64_t causal, Value segments) {
  Value mask = 0;
  if (causal != 0) {
    Value query = e.iota({1, 1, n.T, 1, 1}, 2);
    if (causal == 2) query = e.slice_axis(e.iota({1, 1, n.S, 1, 1}, 2), 2, n.S - n.T, n.T);
    mask = e.op(Op::le, e.iota({1, 1, 1, 1, n.S}, 4), query);
  }
  if (segments != 0) {
    const Value same = e.op(Op::eq, e.reshape(segments, {n.B, 1, n.T, 1, 1}), e.reshape(segments, {n.B, 1, 1, 1, n.S}));
    mask = mask != 0 ? e.mul(mask, same) : same;
  }
  return mask;
}

Value scores(const Emitter& e, const Node& node, Value q5, Value k, Value mask) {
  const Value scaled = e.scale(e.dot(q5, k, {0, 2}, {0, 2}, {4}, {3}), node.attributes.real("scale"));
  return mask != 0 ? e.where(mask, scaled, e.scalar(kHidden)) : scaled;
}

// [B, K, T, G, D] to [B, T, H, D].
Value by_head(const Emitter& e, const Sizes& n, Value x) {
  return e.reshape(e.transpose(x, {0, 2, 1, 3, 4}), {n.B, n.T, n.H, n.D});
}

std::vector<Value> attention(const Emitter& e, const Node& node, std::span<const Value> in) {
  const Sizes n(e.shape(in[0]), e.shape(in[1]));
  const Value mask = visible(e, n, node.attributes.integer("causal"), in.size() > 3 ? in[3] : 0);
  const Value s = scores(e, node, e.reshape(in[0], {n.B, n.T, n.K, n.G, n.D}), in[1], mask);
  const Value y = e.dot(emit_softmax(e, s), in[2], {0, 1}, {0, 2}, {4}, {1});  // [B, K, T, G, D]
  const Value lse = e.transpose(emit_log_sum_exp(e, e.op(Op::stop_gradient, s)), {0, 1, 3, 2});
  return {by_head(e, n, y), e.reshape(lse, {n.B, n.H, n.T})};
}

// With P the weights: dv = P^T dy, dP = dy v^T, dS = P (dP - sum(y dy)), dq = scale dS k, dk = scale dS^T q.
std::vector<Value> attention_backward(const Emitter& e, const Node& node, std::span<const Value> in) {
  const Sizes n(e.shape(in[0]), e.shape(in[1]));
  const Value mask = visible(e, n, node.attributes.integer("causal"), in.size() > 6 ? in[6] : 0);
  const Shape heads{n.B, n.T, n.K, n.G, n.D};
  const Value q = e.reshape(in[0], heads);
  const Value dy = e.reshape(in[5], heads);
  const Value s = scores(e, node, q, in[1], mask);
  const Value lse = e.transpose(e.reshape(in[4], {n.B, n.K, n.G, n.T}), {0, 1, 3, 2});
  const Value p = e.exp(e.sub(s, e.with_last(lse)));
  const Value row = e.sum_last(e.mul(dy, e.reshape(in[3], heads)));  // [B, T, K, G, 1]
  const Value dp = e.dot(dy, in[2], {0, 2}, {0, 2}, {4}, {3});
  const Value ds = e.scale(e.mul(p, e.sub(dp, e.transpose(row, {0, 2, 1, 3, 4}))), node.attributes.real("scale"));
  const Value dq = e.dot(ds, in[1], {0, 1}, {0, 2}, {4}, {1});        // [B, K, T, G, D]
  const Value dk = e.dot(ds, q, {0, 1}, {0, 2}, {2, 3}, {1, 3});      // [B, K, S, D]
  const Value dv = e.dot(p, dy, {0, 1}, {0, 2}, {2, 3}, {1, 3});
  return {by_head(e, n, dq), e.transpose(dk, {0, 2, 1, 3}), e.transpose(dv, {0, 2, 1, 3})};
}

}  // namespace

Decomposition attention_decomposition(Op op) {
  if (op == Op::attention) return attention;
  return op == Op::attention_backward ? attention_backward : nullptr;
}

}  // namespace caddie::graph
