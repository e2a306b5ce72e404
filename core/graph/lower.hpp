// Rewrites that bring a graph into the form executors with kernels take.
#pragma once

#include <functional>

#include "core/base/result.hpp"
#include "core/graph/graph.hpp"

namespace caddie::graph {

// Composites an executor has no kernel for become primitives; the others stay. Asks once for each, with its graph.
Result<Graph> lower(const Graph& graph, const std::function<bool(const Graph&, const Node&)>& has_kernel);

// Every operand of a dot that is no plain matrix (batch) when it stands row-major in memory is transposed to
// [batch, free, contracted] first: then free axes are one axis, and contracted axes are one axis.
Result<Graph> plain_dots(const Graph& graph);

}  // namespace caddie::graph
