// Rewrites of whole graphs. Each returns a new graph with the same leaves, outputs and updates by name.
#pragma once

#include "core/base/result.hpp"
#include "core/graph/graph.hpp"

namespace caddie::graph {

// Composites and backward composites become primitives; the meaning of a composite is what this makes of it.
Result<Graph> decompose(const Graph& graph);

// linear -> (cap * tanh(. / cap)) -> cross_entropy becomes linear_cross_entropy where nothing else reads the logits.
// Run before gradients().
Result<Graph> fuse_linear_cross_entropy(const Graph& graph);

// Values that depend on constants alone are computed once (up to 2^22 elements each); equal nodes become one;
// nodes that reach no output and no update go; x+0, x*1, double transposes and reshapes collapse.
Result<Graph> simplify(const Graph& graph);

}  // namespace caddie::graph
