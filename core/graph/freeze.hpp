// A graph with what has no derivative of its own held where it is: the yardstick for gradients that are declared, such
// as straight-through estimators x + stop_gradient(q(x) - x). Any thread.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/graph/graph.hpp"

namespace caddie::graph {

// In `graph`, every stop_gradient became an input leaf of the frozen graph, and every round_bf16(x) became x + a leaf;
// the leaf `name` must be given what `value` of the original has at the point where gradients are taken. Finite
// differences of the frozen graph then are the gradients of the original.
struct Frozen {
  struct Held {
    std::string name;
    Value value = 0;  // of the original: the leaf's value
    Value minus = 0;  // 0, or what is to be subtracted from it
  };
  Graph graph;
  std::vector<Held> held;
};

Result<Frozen> freeze(const Graph& graph);

}  // namespace caddie::graph
