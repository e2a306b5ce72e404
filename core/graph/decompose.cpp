#include "core/graph/decompose.hpp"

#include "core/graph/custom.hpp"
#include "core/graph/passes.hpp"
#include "core/graph/rebuild.hpp"

namespace caddie::graph {
namespace {

Value last_max(const Emitter& e, Value x) {
  return e.op(Op::stop_gradient, e.reduce(Op::reduce_max, x, {-1}, true));  // any shift gives the same result
}

// 1 / sqrt(mean(x^2) + eps) over the last axis, which stays with length 1.
Value inverse_rms(const Emitter& e, Value x, double eps) {
  const Shape shape = e.shape(x);
  const auto width = static_cast<double>(shape[shape.rank() - 1]);
  const Value mean = e.scale(e.sum_last(e.mul(x, x)), 1 / width);
  return e.op(Op::rsqrt, e.add(mean, e.scalar(eps)));
}

std::vector<Value> softmax(const Emitter& e, const Node&, std::span<const Value> in) {
  return {emit_softmax(e, in[0])};
}

std::vector<Value> log_sum_exp(const Emitter& e, const Node&, std::span<const Value> in) {
  return {emit_log_sum_exp(e, in[0])};
}

std::vector<Value> rms_norm(const Emitter& e, const Node& node, std::span<const Value> in) {
  return {e.mul(in[0], inverse_rms(e, in[0], node.attributes.real("eps")))};
}

// With r = 1/rms: dx = r dy - x r^3 mean(x dy).
std::vector<Value> rms_norm_backward(const Emitter& e, const Node& node, std::span<const Value> in) {
  const auto [x, dy] = std::pair(in[0], in[1]);
  const Shape shape = e.shape(x);
  const auto width = static_cast<double>(shape[shape.rank() - 1]);
  const Value r = inverse_rms(e, x, node.attributes.real("eps"));
  const Value mean = e.scale(e.sum_last(e.mul(x, dy)), 1 / width);
  const Value cube = e.mul(e.mul(r, r), r);
  return {e.sub(e.mul(r, dy), e.mul(x, e.mul(cube, mean)))};
}

Value mean_last(const Emitter& e, Value x) {
  const Shape shape = e.shape(x);
  return e.scale(e.sum_last(x), 1 / static_cast<double>(shape[shape.rank() - 1]));
}

// Over the last axis: (x - mean(x)) r with r = 1 / sqrt(var(x) + eps).
struct Standardised {
  Value x, r;
};
Standardised standardised(const Emitter& e, Value x, double eps) {
  const Value centred = e.sub(x, mean_last(e, x));
  const Value r = inverse_rms(e, centred, eps);
  return {e.mul(centred, r), r};
}

std::vector<Value> layer_norm(const Emitter& e, const Node& node, std::span<const Value> in) {
  return {e.add(e.mul(standardised(e, in[0], node.attributes.real("eps")).x, in[1]), in[2])};
}

// With n the standardised x and g = dy weight: dx = r (g - mean(g) - n mean(g n)); the other two are sums over rows.
std::vector<Value> layer_norm_backward(const Emitter& e, const Node& node, std::span<const Value> in) {
  const auto [n, r] = standardised(e, in[0], node.attributes.real("eps"));
  const Value dy = in[2];
  const Value g = e.mul(dy, in[1]);
  const Value along = e.mul(n, mean_last(e, e.mul(g, n)));
  const Value dx = e.mul(r, e.sub(e.sub(g, mean_last(e, g)), along));
  const Axes rows = first_axes(e.shape(dy).rank() - 1);
  const auto total = [&](Value x) { return rows.empty() ? x : e.reduce(Op::reduce_sum, x, rows, false); };
  return {dx, total(e.mul(dy, n)), total(dy)};
}

// Channels j and j+P by the angle whose cosine and sine are given: (a, b) -> (a cos + b sin, b cos - a sin).
std::vector<Value> rope(const Emitter& e, const Node&, std::span<const Value> in) {
  const Value x = in[0];
  const Shape shape = e.shape(x);
  const std::int64_t time = e.shape(in[1])[0];
  const std::int64_t pairs = e.shape(in[1])[1];
  const std::int64_t rest = shape[3] - 2 * pairs;
  const Value cosine = e.reshape(in[1], {1, time, 1, pairs});
  const Value sine = e.reshape(in[2], {1, time, 1, pairs});
  const Value a = e.slice_axis(x, 3, 0, pairs);
  const Value b = e.slice_axis(x, 3, pairs, pairs);
  std::vector<Value> parts{e.add(e.mul(a, cosine), e.mul(b, sine)), e.sub(e.mul(b, cosine), e.mul(a, sine))};
  if (rest > 0) parts.push_back(e.slice_axis(x, 3, 2 * pairs, rest));
  return {e.concat(parts, 3)};
}

std::vector<Value> linear(const Emitter& e, const Node&, std::span<const Value> in) {
  return {emit_linear(e, in[0], in[1])};
}

}  // namespace

Value emit_softmax(const Emitter& e, Value x) {
  const Value powers = e.exp(e.sub(x, last_max(e, x)));
  return e.div(powers, e.sum_last(powers));
}

Value emit_log_sum_exp(const Emitter& e, Value x) {
  const Value shift = last_max(e, x);
  const Value sum = e.sum_last(e.exp(e.sub(x, shift)));
  return e.without_last(e.add(e.op(Op::log, sum), shift));
}

Value emit_linear(const Emitter& e, Value x, Value w) { return e.dot(x, w, {}, {}, {-1}, {1}); }

Decomposition basic_decomposition(Op op) {
  switch (op) {
    case Op::softmax: return softmax;
    case Op::log_sum_exp: return log_sum_exp;
    case Op::rms_norm: return rms_norm;
    case Op::rms_norm_backward: return rms_norm_backward;
    case Op::layer_norm: return layer_norm;
    case Op::layer_norm_backward: return layer_norm_backward;
    case Op::rope: return rope;
    case Op::linear: return linear;
    case Op::custom: return custom_decomposition;
    default: return nullptr;
  }
}

Decomposition decomposition(Op op) {
  for (const auto family : {basic_decomposition, attention_decomposition, loss_decomposition}) {
    if (const Decomposition found = family(op)) return found;
  }
  return nullptr;
}

Result<Graph> decompose(const Graph& graph) {
  if (auto good = graph.status(); !good) return good.error();
  Rebuild rebuild(graph);
  for (const Node& node : graph.nodes()) {
    if (node.op == Op::leaf) continue;
    const Decomposition parts = decomposition(node.op);
    if (parts == nullptr) {
      rebuild.copy(node);
      continue;
    }
    rebuild.graph().push_path(graph.scope_name(node.scope));
    const std::vector<Value> outputs = parts(Emitter{rebuild.graph()}, node, rebuild.mapped(node.inputs));
    for (std::uint32_t i = 0; i < node.output_count; ++i) rebuild.map(node.first_output + i, outputs[i]);
    rebuild.graph().pop_scope();
  }
  return rebuild.finish();
}

}  // namespace caddie::graph
