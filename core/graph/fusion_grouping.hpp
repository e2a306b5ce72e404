// Which nodes of a graph go into one step. Inside core/graph only.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "core/graph/epilogue_finder.hpp"
#include "core/graph/fusion.hpp"
#include "core/graph/fusion_readers.hpp"

namespace caddie::graph {

// A step is a set of nodes; its number is that of the node that founded it. Nodes are placed last to first: an
// elementwise node joins the group of its readers where no circle comes of it, so values stay near those who need
// them; where it has to be stored all the same, and a product can make it, it becomes a step of its own with that
// product. Then groups that read the same values in order are joined.
class Grouping {
 public:
  Grouping(const Graph& graph, const FusionRules& rules, const std::vector<bool>& live, const ValueViews& views);

  [[nodiscard]] const Readers& readers() const { return readers_; }
  // Whether the step is a group.
  [[nodiscard]] bool is_group(std::uint32_t step) const;
  // The product's epilogue that the step is; nullptr for others.
  [[nodiscard]] const Epilogue* epilogue(std::uint32_t step) const;
  // Elements the node walks.
  [[nodiscard]] std::int64_t walked(std::uint32_t node) const;

  [[nodiscard]] std::uint32_t step_of(std::uint32_t node) const { return step_of_[node]; }
  [[nodiscard]] const std::vector<std::uint32_t>& members(std::uint32_t step) const { return members_[step]; }

 private:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;

  void place(std::uint32_t node);
  [[nodiscard]] bool is_stored_outside(std::uint32_t node, std::uint32_t step) const;
  bool becomes_epilogue(std::uint32_t node);
  void absorb(std::uint32_t node, Epilogue epilogue);
  std::uint32_t joinable(std::uint32_t node);
  [[nodiscard]] std::size_t inputs_after_join(std::uint32_t step, std::uint32_t node) const;
  bool reaches(std::uint32_t from, std::uint32_t to);
  [[nodiscard]] std::vector<ReducedAxis> reduction_of(std::uint32_t step) const;
  [[nodiscard]] bool can_merge(std::uint32_t a, std::uint32_t b);
  void join_siblings();
  void merge(std::uint32_t into, std::uint32_t from);

  const Graph& graph_;
  const FusionRules& rules_;
  const ValueViews& views_;
  Readers readers_;
  EpilogueFinder finder_;
  std::map<std::uint32_t, Epilogue> epilogues_;      // by step
  std::vector<std::uint32_t> step_of_;               // by node
  std::vector<std::vector<std::uint32_t>> members_;  // by step
  std::vector<std::uint32_t> visited_;
  std::vector<std::uint32_t> stack_;
  std::uint32_t visit_ = 0;
};

}  // namespace caddie::graph
