// Reverse-mode differentiation on the graph: the backward pass is graph too.
#pragma once

#include <span>
#include <vector>

#include "core/base/result.hpp"
#include "core/graph/graph.hpp"

namespace caddie::graph {

// Appends to `graph` what computes d loss / d wanted[i] and returns those values in the same order; 0 stands for
// "no path with a gradient leads there". `loss` is an f32 scalar; `wanted` are f32 values made before it.
// Backward nodes carry the scope of the node they differentiate, with "'" at its end.
// A fused composite keeps its own backward operation; everything else becomes primitives.
Result<std::vector<Value>> gradients(Graph& graph, Value loss, std::span<const Value> wanted);

// True when the table declares the derivative of this operation to be zero.
bool has_zero_gradient(Op op);

}  // namespace caddie::graph
