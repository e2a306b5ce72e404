// Which values of a partitioned graph are kept in bfloat16 at Precision::bf16.
//
// Wide, f32, stay: leaves and what is written to them, constants, results of reductions, numbers of rows of losses and
// of attention (log-sum-exps and the like), running sums, scattered sums. Narrow are results of products, attention,
// gathers, and what elementwise steps and row kernels make of narrow values; also what only products read.
#pragma once

#include <vector>

#include "core/graph/fusion.hpp"

namespace caddie::cuda {

// By value. All false where `narrows` is false.
std::vector<bool> narrow_values(const graph::Graph& graph, const graph::Partition& partition, bool narrows);

}  // namespace caddie::cuda
