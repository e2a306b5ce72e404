// What every value of a graph of updates has to do with the members of banks. Inside core/graph only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/graph/graph.hpp"
#include "core/graph/member_axes.hpp"

namespace caddie::graph {

struct MemberPart {
  int bank = -1;       // the bank it depends on; -1: none
  int axis = kNoAxis;  // along which that bank's members are kept apart; kNoAxis: they meet
  friend bool operator==(const MemberPart&, const MemberPart&) = default;
};

// The states of a bank are found by what is written to them. Leaves of one bank either all have their members apart,
// as their outermost axis, or none has.
class MemberParts {
 public:
  MemberParts(const Graph& graph, const std::vector<std::vector<std::string>>& banks);

  [[nodiscard]] MemberPart of(Value value) const { return parts_[value]; }
  // The bank's values meet those of another; nothing is said to depend on it.
  [[nodiscard]] bool meets_others(std::size_t bank) const { return meets_others_[bank]; }
  [[nodiscard]] std::int64_t members(std::size_t bank) const;

 private:
  void place_banks();
  void spread();
  [[nodiscard]] MemberPart of_node(const Node& node, std::uint32_t output);
  // Whether operands that depend on no member are the same for all.
  [[nodiscard]] bool others_repeat(const Node& node, int axis) const;
  // Carries what is written to leaves back to them; true when that changed one.
  bool carry_back();
  [[nodiscard]] MemberPart of_leaf(const Update& update);
  void meet(int a, int b);
  // Of a bank with a value whose members meet, no leaf has them apart; true when that changed one.
  bool join_leaves();

  const Graph& graph_;
  const std::vector<std::vector<std::string>>& banks_;
  std::vector<MemberPart> parts_;  // by value
  std::vector<bool> meets_others_;
  // While states are not all placed, they pass for whatever is asked of them.
  bool strict_ = false;
  bool again_ = false;
};

}  // namespace caddie::graph
