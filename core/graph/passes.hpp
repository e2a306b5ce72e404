// Rewrites of whole graphs. Each returns a new graph with the same leaves, outputs and updates by name; an output or
// update that changed its type or shape on the way is an error (Code::internal).
#pragma once

#include "core/base/result.hpp"
#include "core/graph/graph.hpp"

namespace caddie::graph {

// Composites and backward composites become primitives; the meaning of a composite is what this makes of it.
Result<Graph> decompose(const Graph& graph);

// linear -> (cap * tanh(. / cap)) -> cross_entropy becomes linear_cross_entropy where nothing else reads the logits;
// reshapes that keep the last axis may stand between. Run before gradients().
Result<Graph> fuse_linear_cross_entropy(const Graph& graph);

// Values that depend on constants alone are computed once, in float64 (up to 2^22 elements each); equal nodes become
// one, random ones only when their sites are equal; nodes that reach no output and no update go; x+0, x*1, double
// transposes and reshapes collapse. Gradients may be taken before or after: stop_gradient stays.
Result<Graph> simplify(const Graph& graph);

// Whether a graph is well-formed: inputs come before their use, and every type, shape and attribute is what the rules
// make of it again. For tests of passes.
Result<void> verify(const Graph& graph);

}  // namespace caddie::graph
