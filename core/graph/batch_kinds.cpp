#include "core/graph/batch_kinds.hpp"

#include <algorithm>

#include "core/graph/constants.hpp"
#include "core/graph/fusion.hpp"

namespace caddie::graph {
namespace {

bool holds(std::span<const std::int64_t> axes, std::int64_t axis) { return std::ranges::find(axes, axis) != axes.end(); }

bool is_random(Op op) { return op == Op::random_uniform || op == Op::random_normal; }

// A constant that is the same in every row.
bool repeats_by_row(const Graph& graph, Value value) {
  const auto values = graph.node_of(value).attributes.reals("values");
  if (values.size() == 1) return true;
  const auto row = static_cast<std::size_t>(graph.shape(value).elements() / graph.shape(value)[0]);
  return std::equal(values.begin() + static_cast<std::ptrdiff_t>(row), values.end(), values.begin());
}

}  // namespace

bool spans_first_axis(const Graph& graph, const Node& node, Value input) {
  const Shape& out = graph.shape(node.first_output);
  const Shape& in = graph.shape(input);
  return out.rank() > 0 && in.rank() == out.rank() && in[0] == out[0] && out[0] > 1;
}

BatchKinds::BatchKinds(const Graph& graph, std::int64_t slabs, std::vector<Value> split_leaves,
                       const std::vector<bool>& whole)
    : graph_(graph), slabs_(slabs), kinds_(graph.value_count(), BatchKind::same) {
  for (const Value leaf : split_leaves) kinds_[leaf] = BatchKind::rows;
  for (const Node& node : graph.nodes()) {
    if (node.op == Op::leaf) continue;
    bool after = whole[graph.info(node.first_output).node];
    for (std::uint32_t i = 0; i < node.output_count; ++i) {
      const BatchKind kind = kind_of_output(node, i);
      kinds_[node.first_output + i] = kind;
      after = after || kind == BatchKind::after;
    }
    for (std::uint32_t i = 0; after && i < node.output_count; ++i) kinds_[node.first_output + i] = BatchKind::after;
  }
}

BatchKind BatchKinds::kind_of_output(const Node& node, std::uint32_t output) const {
  const auto any = [&](BatchKind kind) {
    return std::ranges::any_of(node.inputs, [&](Value input) { return of(input) == kind; });
  };
  if (any(BatchKind::after)) return BatchKind::after;
  if (any(BatchKind::sum)) return any(BatchKind::rows) ? BatchKind::after : of_sums(node);
  return any(BatchKind::rows) ? of_rows(node, output) : BatchKind::same;
}

// Operations that a sum goes through and that cost no more for every slab than once.
BatchKind BatchKinds::of_sums(const Node& node) const {
  const auto is_sum = [&](Value input) { return of(input) == BatchKind::sum; };
  switch (node.op) {
    case Op::add:
    case Op::sub:
      return std::ranges::all_of(node.inputs, is_sum) ? BatchKind::sum : BatchKind::after;
    case Op::neg:
    case Op::reduce_sum:
    case Op::reshape:
    case Op::transpose: return BatchKind::sum;
    default: return BatchKind::after;
  }
}

bool BatchKinds::can_cut(Value value) const {
  if (of(value) != BatchKind::same || !divides(value)) return false;
  const Node& node = graph_.node_of(value);
  if (uniform_constant(graph_, value).has_value() || is_random(node.op)) return true;
  if (node.op == Op::constant) return repeats_by_row(graph_, value);
  if (node.op == Op::iota) return node.attributes.integer("axis") != 0;
  if (node.op == Op::broadcast) return !spans_first_axis(graph_, node, node.inputs[0]) || can_cut(node.inputs[0]);
  if (node.op == Op::reshape) return can_cut(node.inputs[0]);
  if (!is_elementwise(node.op) || node.inputs.empty()) return false;
  return std::ranges::all_of(
      node.inputs, [&](Value input) { return !spans_first_axis(graph_, node, input) || can_cut(input); });
}

bool BatchKinds::rows_or_cut(Value value) const {
  return of(value) == BatchKind::rows || (of(value) == BatchKind::same && divides(value));
}

// Every input has rows, but for those named, which are the same for all.
bool BatchKinds::all_rows(const Node& node, std::initializer_list<std::size_t> others_same) const {
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    const bool same = std::ranges::find(others_same, i) != others_same.end();
    if (same ? of(node.inputs[i]) != BatchKind::same : !rows_or_cut(node.inputs[i])) return false;
  }
  return true;
}

BatchKind BatchKinds::of_elementwise(const Node& node) const {
  for (const Value input : node.inputs) {
    if (spans_first_axis(graph_, node, input) ? !rows_or_cut(input) : of(input) == BatchKind::rows) {
      return BatchKind::after;
    }
  }
  return divides(node.first_output) ? BatchKind::rows : BatchKind::after;
}

BatchKind BatchKinds::of_movement(const Node& node) const {
  const auto first = [&](const char* key) { return node.attributes.integers(key)[0]; };
  const Shape& in = graph_.shape(node.inputs[0]);
  bool kept = divides(node.first_output);
  switch (node.op) {
    case Op::reshape:
    case Op::stop_gradient: break;
    case Op::transpose: kept = kept && first("axes") == 0; break;
    case Op::broadcast: kept = kept && spans_first_axis(graph_, node, node.inputs[0]); break;
    case Op::slice: kept = kept && first("sizes") == in[0]; break;
    case Op::pad: kept = kept && first("low") == 0 && first("high") == 0; break;
    case Op::reverse: kept = kept && !holds(node.attributes.integers("axes"), 0); break;
    default: kept = false;
  }
  return kept ? BatchKind::rows : BatchKind::after;
}

BatchKind BatchKinds::of_dot(const Node& node) const {
  const Attributes& given = node.attributes;
  const auto batch_a = given.integers("batch_a");
  const auto batch_b = given.integers("batch_b");
  const auto contract_a = given.integers("contract_a");
  const auto contract_b = given.integers("contract_b");
  const bool rows_a = of(node.inputs[0]) == BatchKind::rows;
  const bool rows_b = of(node.inputs[1]) == BatchKind::rows;
  if (rows_a && rows_b) {
    if (!batch_a.empty() && batch_a[0] == 0 && batch_b[0] == 0) return BatchKind::rows;
    for (std::size_t i = 0; i < contract_a.size(); ++i) {
      if (contract_a[i] == 0 && contract_b[i] == 0) return BatchKind::sum;
    }
    return BatchKind::after;
  }
  if (!batch_a.empty() || !rows_a || holds(contract_a, 0)) return BatchKind::after;
  return BatchKind::rows;
}

// Nodes with inputs that have rows, others being the same for all.
BatchKind BatchKinds::of_rows(const Node& node, std::uint32_t output) const {
  const auto rows_if = [&](bool good) {
    return good && divides(node.first_output + output) ? BatchKind::rows : BatchKind::after;
  };
  const int rank = graph_.shape(node.inputs[0]).rank();
  switch (node.op) {
    case Op::reduce_sum:
      if (holds(node.attributes.integers("axes"), 0)) return BatchKind::sum;
      return rows_if(true);
    case Op::reduce_max:
    case Op::reduce_min: return rows_if(!holds(node.attributes.integers("axes"), 0));
    case Op::reshape:
    case Op::transpose:
    case Op::broadcast:
    case Op::slice:
    case Op::pad:
    case Op::reverse:
    case Op::stop_gradient: return of_movement(node);
    case Op::concat: return rows_if(node.attributes.integer("axis") != 0 && all_rows(node, {}));
    case Op::cumsum: return rows_if(node.attributes.integer("axis") != 0);
    case Op::dot: return of_dot(node);
    case Op::linear: return rows_if(rank > 1 && all_rows(node, {1}));
    case Op::gather: return rows_if(all_rows(node, {0}));
    case Op::scatter_add:
      return uniform_constant(graph_, node.inputs[0]) == 0.0 && of(node.inputs[1]) == BatchKind::rows &&
                     rows_or_cut(node.inputs[2])
                 ? BatchKind::sum
                 : BatchKind::after;
    case Op::pick: return rows_if(rank > 1 && all_rows(node, {}));
    case Op::place: return rows_if(all_rows(node, {}));
    case Op::softmax:
    case Op::log_sum_exp:
    case Op::rms_norm:
    case Op::rms_norm_backward: return rows_if(rank > 1 && all_rows(node, {}));
    case Op::layer_norm: return rows_if(rank > 1 && all_rows(node, {1, 2}));
    case Op::layer_norm_backward:
      if (rank < 2 || !all_rows(node, {1})) return BatchKind::after;
      return output == 0 ? rows_if(true) : BatchKind::sum;
    case Op::rope: return rows_if(all_rows(node, {1, 2}));
    case Op::attention:
    case Op::attention_backward: return rows_if(all_rows(node, {}));
    case Op::cross_entropy:
    case Op::cross_entropy_backward: return rows_if(rank > 1 && all_rows(node, {}));
    case Op::linear_cross_entropy: return rows_if(rank > 1 && all_rows(node, {1}));
    case Op::linear_cross_entropy_backward:
      if (rank < 2 || !all_rows(node, {1})) return BatchKind::after;
      return output == 1 ? BatchKind::sum : BatchKind::rows;
    default: return is_elementwise(node.op) ? of_elementwise(node) : BatchKind::after;
  }
}

}  // namespace caddie::graph
