// Which values of a partitioned graph are kept in bfloat16 where factors are: those that only products, attention,
// norms, rope and elementwise steps read and one of them makes. All others stay in f32: leaves and what is written to
// them, outputs, results of reductions, what other kernels read or make.
#pragma once

#include <vector>

#include "core/cpu/kernels/factors.hpp"
#include "core/graph/fusion.hpp"

namespace caddie::cpu {

// By value; all false where the processor does not read bfloat16.
std::vector<bool> narrow_values(const graph::Graph& graph, const graph::Partition& partition, Factors factors);

}  // namespace caddie::cpu
