// Computes of every value only the part that is read.
#pragma once

#include "core/base/result.hpp"
#include "core/graph/graph.hpp"

namespace caddie::graph {

// Slices go backwards through the graph: through elementwise operations, movements, reductions, and everything that works
// row by row (products, norms, losses); through causal attention as fewer queries over the keys they see; through pads and
// concatenations as what is left of them. A value that is read in several places is made as the box around what is read.
// Where an operation needs all of its operand (or draws random numbers, or is a plugin's own), the value stays whole.
// Values are those of the same operations on fewer elements; the same leaves, outputs and updates by name.
Result<Graph> narrow(const Graph& graph);

}  // namespace caddie::graph
