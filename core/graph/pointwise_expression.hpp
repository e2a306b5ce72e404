// The elementwise operations that lead to a value, as a function that can be computed. Inside core/graph only.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "core/graph/constants.hpp"
#include "core/graph/fusion_views.hpp"

namespace caddie::graph {

class PointwiseExpression {
 public:
  // The nearest values on the way to `root`, f32 and of as many elements, that operations without memory make of each
  // other element by element.
  PointwiseExpression(const Graph& graph, const ValueViews& views, Value root);

  // The root first, others by their distance from it.
  [[nodiscard]] const std::vector<Value>& values() const { return values_; }
  // Some operation is not a polynomial.
  [[nodiscard]] bool is_curved() const { return curved_; }

  // Values between `from` and the root that depend on `from`, both left out; nullopt where the root does not.
  [[nodiscard]] std::optional<std::vector<Value>> between(Value from) const;

  // The root's numbers where these values have the given numbers, each as many; empty where it depends on others too.
  [[nodiscard]] Numbers numbers(const std::map<Value, Numbers>& given) const;

 private:
  // For each operand the value that is read element by element, or a constant; 0 for anything else.
  [[nodiscard]] std::vector<Value> read_by(Value value) const;

  const Graph& graph_;
  const ValueViews& views_;
  std::vector<Value> values_;
  std::vector<std::vector<Value>> reads_;  // by the place in values_
  std::vector<std::size_t> in_order_;      // places in values_, each after what it reads
  bool curved_ = false;
};

}  // namespace caddie::graph
