// Where every value stands: which values are views, which of them get memory after all. Inside core/graph only.
#pragma once

#include <vector>

#include "core/graph/fusion.hpp"

namespace caddie::graph {

class ValueViews {
 public:
  ValueViews(const Graph& graph, const FusionRules& rules, const std::vector<bool>& live);

  [[nodiscard]] const std::vector<View>& all() const { return views_; }
  // A movement node that is never run: its value is a view.
  [[nodiscard]] bool is_view(std::uint32_t node) const { return is_view_[node]; }
  // What a node reads as input `input`, brought to the elements the node walks.
  [[nodiscard]] View operand(std::uint32_t node, std::size_t input) const;

 private:
  void place(const Node& node, std::uint32_t number);
  void give_memory(Value value);

  const Graph& graph_;
  std::vector<View> views_;
  std::vector<View> copied_;  // by node: what a movement node with memory copies
  std::vector<bool> is_view_;
};

}  // namespace caddie::graph
