// dot and linear as products of matrices, for executors: which axes of the operands are batches, rows and columns, and
// where several axes in memory are one. Plain values; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/graph/graph.hpp"
#include "core/graph/view.hpp"

namespace caddie::graph {

using AxisList = std::vector<std::int64_t>;

// Axes by operand: the batch, those that only one operand has, and those that are summed over.
struct Contraction {
  AxisList batch[2], free[2], contract[2];
};

// Of a dot or a linear.
Contraction contraction_of(const Graph& graph, const Node& node);

struct Line {  // one axis of a matrix
  std::int64_t length = 1;
  std::int64_t stride = 0;
};

// Several axes as one, the last running fastest; nullopt when they do not continue each other.
std::optional<Line> joined(const View& view, const AxisList& axes);

}  // namespace caddie::graph
