// What every value of a graph is when the batch is cut into slabs. Inside core/graph only.
#pragma once

#include <cstdint>
#include <vector>

#include "core/graph/graph.hpp"

namespace caddie::graph {

enum class BatchKind : std::uint8_t {
  same,   // depends on no row
  rows,   // the first axis is cut: slab i is the i-th of equal contiguous parts
  sum,    // the sum over slabs of what each makes
  after,  // needs such a sum whole, or mixes rows
};

class BatchKinds {
 public:
  // Nodes marked in `whole` (by node) are made of all rows at once, after the slabs.
  BatchKinds(const Graph& graph, std::int64_t slabs, std::vector<Value> split_leaves, const std::vector<bool>& whole);

  [[nodiscard]] BatchKind of(Value value) const { return kinds_[value]; }
  // Whether a value that depends on no row but stretches over the batch can be made slab by slab; others are made whole.
  [[nodiscard]] bool can_cut(Value value) const;
  [[nodiscard]] bool divides(Value value) const {
    const Shape& shape = graph_.shape(value);
    return shape.rank() > 0 && shape[0] % slabs_ == 0;
  }

 private:
  [[nodiscard]] BatchKind kind_of_output(const Node& node, std::uint32_t output) const;
  [[nodiscard]] BatchKind of_rows(const Node& node, std::uint32_t output) const;
  [[nodiscard]] BatchKind of_sums(const Node& node) const;
  [[nodiscard]] BatchKind of_elementwise(const Node& node) const;
  [[nodiscard]] BatchKind of_movement(const Node& node) const;
  [[nodiscard]] BatchKind of_dot(const Node& node) const;
  [[nodiscard]] bool rows_or_cut(Value value) const;
  [[nodiscard]] bool all_rows(const Node& node, std::initializer_list<std::size_t> others_same) const;

  const Graph& graph_;
  std::int64_t slabs_;
  std::vector<BatchKind> kinds_;
};

// Whether operand `input` of an elementwise node runs along the first axis of the result.
bool spans_first_axis(const Graph& graph, const Node& node, Value input);

}  // namespace caddie::graph
