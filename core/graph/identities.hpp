// Algebra on one operation about to be emitted. Inside core/graph only.
#pragma once

#include <vector>

#include "core/graph/graph.hpp"

namespace caddie::graph {

struct Expression {
  Op op = Op::leaf;
  std::vector<Value> inputs;
  Attributes attributes;
};

struct Simpler {
  enum class Kind { none, value, expression };
  Kind kind = Kind::none;
  Value value = 0;        // an existing value with the same elements, type and shape
  Expression expression;  // another operation with the same result
};

// One step; the caller repeats it on an expression. `shape` is the shape of the result.
Simpler simpler(const Graph& graph, const Expression& expression, const Shape& shape);

}  // namespace caddie::graph
