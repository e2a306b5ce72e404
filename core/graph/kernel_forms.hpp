// What an executor says of the operations it has kernels for, and what follows from it for passes. Constant data and
// plain values; any thread.
#pragma once

#include <cstddef>

#include "core/base/result.hpp"
#include "core/graph/fusion.hpp"
#include "core/graph/graph.hpp"

namespace caddie::graph {

// Of an operation that is no part of fused groups.
struct KernelForm {
  // False: this composite is taken apart instead. Null: always true.
  bool (*fits)(const Graph&, const Node&) = nullptr;
  // Whether an input can be read through a view. Null: dense ones only.
  bool (*reads_view)(const Graph&, const Node&, std::size_t input, const View&) = nullptr;
  // The input that the first output may be written over, -1 for none.
  int in_place_input = -1;
};

// nullptr for an operation without a kernel.
using KernelForms = const KernelForm* (*)(Op);

// Composites without a kernel are taken apart, the rest is simplified.
Result<Graph> composites_for_kernels(const Graph& graph, KernelForms forms);

// The graph as kernels take it: composites without one are taken apart, operands of products are plain matrices, the
// rest is simplified.
Result<Graph> prepared_for_kernels(const Graph& graph, KernelForms forms);

// How the graph is cut into steps; the graph outlives the rules.
FusionRules fusion_rules(const Graph& graph, KernelForms forms);

// StorageRules::in_place.
bool writes_in_place(const Node& node, std::size_t input, KernelForms forms);

}  // namespace caddie::graph
