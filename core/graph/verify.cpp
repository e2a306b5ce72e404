#include <fmt/format.h>

#include "core/graph/passes.hpp"
#include "core/graph/rebuild.hpp"

namespace caddie::graph {

Result<void> verify(const Graph& graph) {
  if (auto good = graph.status(); !good) return good;
  Rebuild again(graph);
  for (const Node& node : graph.nodes()) {
    if (node.op == Op::leaf) continue;
    again.copy(node);
    if (auto good = again.graph().status(); !good) return good;
    const Node& fresh = again.graph().nodes().back();
    bool same =
        fresh.attributes == node.attributes && fresh.output_count == node.output_count && fresh.site == node.site;
    for (std::uint32_t i = 0; same && i < node.output_count; ++i) {
      const Value old = node.first_output + i;
      same = graph.dtype(old) == again.graph().dtype(again.mapped(old)) &&
             graph.shape(old) == again.graph().shape(again.mapped(old));
    }
    if (same) continue;
    return Error{Code::internal, graph.scope_name(node.scope),
                 fmt::format("{}: value {} is not what its inputs make", info(node.op).name, node.first_output)};
  }
  const auto finished = again.finish();
  if (!finished) return finished.error();
  return {};
}

}  // namespace caddie::graph
