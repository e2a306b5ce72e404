#include "core/graph/freeze.hpp"

#include <fmt/format.h>

#include "core/graph/rebuild.hpp"

namespace caddie::graph {

Result<Frozen> freeze(const Graph& graph) {
  Frozen frozen;
  const std::vector<bool> live = live_nodes(graph);
  Rebuild rebuild(graph);
  const auto hold = [&](Value value, Value minus) {
    frozen.held.push_back({fmt::format("frozen/{}", frozen.held.size()), value, minus});
    return rebuild.graph().leaf(LeafKind::input, frozen.held.back().name, graph.dtype(value), graph.shape(value));
  };
  for (std::size_t i = 0; i < live.size(); ++i) {
    const Node& node = graph.nodes()[i];
    if (!live[i] || node.op == Op::leaf) continue;
    if (node.op == Op::stop_gradient) {
      rebuild.map(node.first_output, hold(node.first_output, 0));
    } else if (node.op == Op::round_bf16) {
      const Value error = hold(node.first_output, node.inputs[0]);
      rebuild.map(node.first_output, rebuild.graph().emit(Op::add, {rebuild.mapped(node.inputs[0]), error}));
    } else {
      rebuild.copy(node);
    }
  }
  auto made = rebuild.finish();
  if (!made) return made.error();
  frozen.graph = std::move(*made);
  return frozen;
}

}  // namespace caddie::graph
