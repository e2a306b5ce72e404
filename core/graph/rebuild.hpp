// Making a new graph out of an old one, node by node. Inside core/graph only.
#pragma once

#include <span>
#include <vector>

#include "core/base/result.hpp"
#include "core/graph/graph.hpp"

namespace caddie::graph {

// Which nodes reach an output or an update; leaves always count.
std::vector<bool> live_nodes(const Graph& graph);

class Rebuild {
 public:
  // Copies the leaves.
  explicit Rebuild(const Graph& from);

  [[nodiscard]] Graph& graph() { return to_; }
  [[nodiscard]] Value mapped(Value old) const { return values_[old]; }
  [[nodiscard]] std::vector<Value> mapped(std::span<const Value> old) const;
  void map(Value old, Value fresh) { values_[old] = fresh; }
  // All outputs of a node, in order.
  void map_outputs(const Node& node, Value first);
  // Emits the node unchanged.
  void copy(const Node& node) { map_outputs(node, to_.emit_like(from_, node, mapped(node.inputs))); }

  // Outputs and updates; then the new graph, or what went wrong.
  Result<Graph> finish();

 private:
  const Graph& from_;
  Graph to_;
  std::vector<Value> values_;
};

// A copy of the live nodes alone.
Result<Graph> without_dead_nodes(const Graph& graph);

}  // namespace caddie::graph
