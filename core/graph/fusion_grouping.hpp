// Which nodes of a graph go into one step. Inside core/graph only.
#pragma once

#include <cstdint>
#include <vector>

#include "core/graph/fusion.hpp"
#include "core/graph/fusion_views.hpp"

namespace caddie::graph {

struct Reader {
  std::uint32_t node = 0;
  bool in_order = false;  // reads the whole value, element e at its own element e
};

// A step is a set of nodes; its number is that of the node that founded it. Nodes are placed last to first: an
// elementwise node joins the group of its readers where no circle comes of it, so values stay near those who need
// them. Then groups that read the same values in order are joined.
class Grouping {
 public:
  Grouping(const Graph& graph, const FusionRules& rules, const std::vector<bool>& live, const ValueViews& views);

  // Whether the node runs at all: no leaf, constant or view, and needed.
  [[nodiscard]] bool is_run(std::uint32_t node) const;
  [[nodiscard]] bool is_fusible(std::uint32_t node) const;
  // Elements the node walks.
  [[nodiscard]] std::int64_t walked(std::uint32_t node) const;

  [[nodiscard]] std::uint32_t step_of(std::uint32_t node) const { return step_of_[node]; }
  [[nodiscard]] const std::vector<std::uint32_t>& members(std::uint32_t step) const { return members_[step]; }
  [[nodiscard]] const std::vector<Reader>& readers(Value value) const { return readers_[value]; }

 private:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;

  void find_readers();
  void place(std::uint32_t node);
  std::uint32_t joinable(std::uint32_t node);
  [[nodiscard]] std::size_t inputs_after_join(std::uint32_t step, std::uint32_t node) const;
  bool reaches(std::uint32_t from, std::uint32_t to);
  [[nodiscard]] std::vector<ReducedAxis> reduction_of(std::uint32_t step) const;
  [[nodiscard]] bool can_merge(std::uint32_t a, std::uint32_t b);
  void join_siblings();
  void merge(std::uint32_t into, std::uint32_t from);

  const Graph& graph_;
  const FusionRules& rules_;
  const std::vector<bool>& live_;
  const ValueViews& views_;
  std::vector<std::uint32_t> step_of_;               // by node
  std::vector<std::vector<std::uint32_t>> members_;  // by step
  std::vector<std::vector<Reader>> readers_;         // by value
  std::vector<std::uint32_t> visited_;
  std::vector<std::uint32_t> stack_;
  std::uint32_t visit_ = 0;
};

}  // namespace caddie::graph
