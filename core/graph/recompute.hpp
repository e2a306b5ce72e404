// Makes elementwise values again where they are read instead of keeping them.
#pragma once

#include "core/base/result.hpp"
#include "core/graph/fusion.hpp"
#include "core/graph/graph.hpp"

namespace caddie::graph {

// A value that a fused group makes and only later groups read costs a write, a read, and memory in between. Where its
// own operands are in memory anyway, the readers get a copy of the operations instead. Bits do not change.
Result<Graph> recompute_elementwise(const Graph& graph, const FusionRules& rules);

}  // namespace caddie::graph
