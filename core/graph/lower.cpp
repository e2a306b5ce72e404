#include "core/graph/lower.hpp"

#include <algorithm>

#include "core/graph/decompose.hpp"
#include "core/graph/rebuild.hpp"

namespace caddie::graph {
namespace {

using AxisSpan = std::span<const std::int64_t>;

bool holds(AxisSpan axes, std::int64_t axis) { return std::ranges::find(axes, axis) != axes.end(); }

Axes free_axes(const Shape& shape, AxisSpan batch, AxisSpan contract) {
  Axes axes;
  for (std::int64_t axis = 0; axis < shape.rank(); ++axis) {
    if (!holds(batch, axis) && !holds(contract, axis)) axes.push_back(axis);
  }
  return axes;
}

// The axes follow one another in memory, axes of length 1 aside.
bool follow(const Shape& shape, AxisSpan axes) {
  std::int64_t last = -1;
  for (const std::int64_t axis : axes) {
    if (shape[static_cast<int>(axis)] == 1) continue;
    for (std::int64_t between = last + 1; last >= 0 && between < axis; ++between) {
      if (shape[static_cast<int>(between)] != 1) return false;
    }
    if (axis < last) return false;
    last = axis;
  }
  return true;
}

bool is_plain(const Shape& shape, AxisSpan batch, AxisSpan contract) {
  if (!follow(shape, free_axes(shape, batch, contract)) || !follow(shape, contract)) return false;
  int last = shape.rank() - 1;
  while (last >= 0 && shape[last] == 1) --last;
  return last < 0 || !holds(batch, last);
}

struct DotSide {
  Value value = 0;
  Axes batch, contract;
};

DotSide plain_side(const Emitter& e, Value value, AxisSpan batch, AxisSpan contract) {
  const Shape& shape = e.shape(value);
  DotSide side{value, {batch.begin(), batch.end()}, {contract.begin(), contract.end()}};
  if (is_plain(shape, batch, contract)) return side;
  const Axes free = free_axes(shape, batch, contract);
  Axes order = side.batch;
  order.insert(order.end(), free.begin(), free.end());
  order.insert(order.end(), contract.begin(), contract.end());
  side.value = e.transpose(value, order);
  for (std::size_t i = 0; i < batch.size(); ++i) side.batch[i] = static_cast<std::int64_t>(i);
  for (std::size_t i = 0; i < contract.size(); ++i)
    side.contract[i] = static_cast<std::int64_t>(batch.size() + free.size() + i);
  return side;
}

}  // namespace

Result<Graph> plain_dots(const Graph& graph) {
  if (auto good = graph.status(); !good) return good.error();
  Rebuild rebuild(graph);
  for (const Node& node : graph.nodes()) {
    if (node.op == Op::leaf) continue;
    if (node.op != Op::dot) {
      rebuild.copy(node);
      continue;
    }
    const Emitter e{rebuild.graph()};
    rebuild.graph().push_path(graph.scope_name(node.scope));
    const Attributes& given = node.attributes;
    const DotSide a =
        plain_side(e, rebuild.mapped(node.inputs[0]), given.integers("batch_a"), given.integers("contract_a"));
    const DotSide b =
        plain_side(e, rebuild.mapped(node.inputs[1]), given.integers("batch_b"), given.integers("contract_b"));
    rebuild.map(node.first_output, e.dot(a.value, b.value, a.batch, b.batch, a.contract, b.contract));
    rebuild.graph().pop_scope();
  }
  return rebuild.finish();
}

Result<Graph> lower(const Graph& graph, const std::function<bool(const Graph&, const Node&)>& has_kernel) {
  if (auto good = graph.status(); !good) return good.error();
  Rebuild rebuild(graph);
  for (const Node& node : graph.nodes()) {
    if (node.op == Op::leaf) continue;
    const Decomposition parts = decomposition(node.op);
    if (parts == nullptr || has_kernel(graph, node)) {
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
