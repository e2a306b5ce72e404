#include "core/graph/contraction.hpp"

#include <algorithm>

namespace caddie::graph {
namespace {

bool contains(const AxisList& list, std::int64_t axis) { return std::ranges::find(list, axis) != list.end(); }

}  // namespace

Contraction contraction_of(const Graph& graph, const Node& node) {
  Contraction c;
  const auto list = [&](const char* key) {
    const auto axes = node.attributes.integers(key);
    return AxisList(axes.begin(), axes.end());
  };
  if (node.op == Op::linear) {
    c.contract[0] = {graph.shape(node.inputs[0]).rank() - 1};
    c.contract[1] = {1};
  } else {
    c.batch[0] = list("batch_a");
    c.batch[1] = list("batch_b");
    c.contract[0] = list("contract_a");
    c.contract[1] = list("contract_b");
  }
  for (const std::size_t side : {0U, 1U}) {
    for (std::int64_t axis = 0; axis < graph.shape(node.inputs[side]).rank(); ++axis) {
      if (!contains(c.batch[side], axis) && !contains(c.contract[side], axis)) c.free[side].push_back(axis);
    }
  }
  return c;
}

std::optional<Line> joined(const View& view, const AxisList& axes) {
  Line line;
  for (std::size_t i = axes.size(); i-- > 0;) {
    const std::int64_t length = view.shape[static_cast<int>(axes[i])];
    const std::int64_t stride = view.strides[static_cast<std::size_t>(axes[i])];
    if (length == 1) continue;
    if (line.length == 1) {
      line = {length, stride};
    } else if (stride == line.stride * line.length) {
      line.length *= length;
    } else {
      return std::nullopt;
    }
  }
  return line;
}

}  // namespace caddie::graph
