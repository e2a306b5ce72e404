#include "core/graph/member_parts.hpp"

namespace caddie::graph {

MemberParts::MemberParts(const Graph& graph, const std::vector<std::vector<std::string>>& banks)
    : graph_(graph), banks_(banks), meets_others_(banks.size(), false) {
  do {
    again_ = false;
    place_banks();
    for (const bool strict : {false, true}) {
      strict_ = strict;
      do {
        spread();
      } while (!again_ && (carry_back() || join_leaves()));
    }
  } while (again_);
}

std::int64_t MemberParts::members(std::size_t bank) const {
  return graph_.shape(graph_.find_leaf(banks_[bank][0])->value)[0];
}

void MemberParts::place_banks() {
  parts_.assign(graph_.value_count(), {});
  for (std::size_t bank = 0; bank < banks_.size(); ++bank) {
    if (meets_others_[bank]) continue;
    for (const std::string& name : banks_[bank]) {
      parts_[graph_.find_leaf(name)->value] = {static_cast<int>(bank), members(bank) > 1 ? 0 : kNoAxis};
    }
  }
}

void MemberParts::spread() {
  for (const Node& node : graph_.nodes()) {
    if (node.op == Op::leaf) continue;
    for (std::uint32_t i = 0; i < node.output_count; ++i) parts_[node.first_output + i] = of_node(node, i);
  }
}

MemberPart MemberParts::of_node(const Node& node, std::uint32_t output) {
  MemberPart made;
  std::vector<int> axes;
  bool apart = true;
  for (const Value input : node.inputs) {
    const MemberPart& part = parts_[input];
    axes.push_back(part.axis);
    if (part.bank < 0) continue;
    if (made.bank >= 0 && made.bank != part.bank) meet(made.bank, part.bank);
    made.bank = part.bank;
    apart = apart && part.axis != kNoAxis;
  }
  if (made.bank < 0 || !apart) return made;
  made.axis = member_axis_after(graph_, node, output, axes);
  if (made.axis != kNoAxis && strict_ && !others_repeat(node, made.axis)) made.axis = kNoAxis;
  return made;
}

bool MemberParts::others_repeat(const Node& node, int axis) const {
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    if (parts_[node.inputs[i]].bank >= 0) continue;
    const int here = axis_of_input(graph_, node, i, axis);
    if (here != kNoAxis && !repeats_along(graph_, node.inputs[i], here)) return false;
  }
  return true;
}

void MemberParts::meet(int a, int b) {
  for (const int bank : {a, b}) meets_others_[static_cast<std::size_t>(bank)] = true;
  again_ = true;
}

MemberPart MemberParts::of_leaf(const Update& update) {
  const MemberPart& leaf = parts_[update.leaf];
  const MemberPart& value = parts_[update.value];
  if (value.bank < 0) {
    const bool fits = leaf.axis == kNoAxis || !strict_ || repeats_along(graph_, update.value, leaf.axis);
    return {leaf.bank, fits ? leaf.axis : kNoAxis};
  }
  if (leaf.bank >= 0 && leaf.bank != value.bank) {
    meet(leaf.bank, value.bank);
    return leaf;
  }
  const bool agree = leaf.bank < 0 || leaf.axis == value.axis;
  if (!agree || value.axis == kNoAxis) return {value.bank, kNoAxis};
  std::int64_t before = 1;
  for (int axis = 0; axis < value.axis; ++axis) before *= graph_.shape(update.leaf)[axis];
  return {value.bank, before == 1 ? value.axis : kNoAxis};
}

bool MemberParts::carry_back() {
  bool changed = false;
  for (const Update& update : graph_.updates()) {
    const MemberPart part = of_leaf(update);
    changed = changed || part != parts_[update.leaf];
    parts_[update.leaf] = part;
  }
  return changed;
}

bool MemberParts::join_leaves() {
  std::vector<bool> joined(banks_.size(), false);
  for (const Leaf& leaf : graph_.leaves()) {
    const MemberPart& part = parts_[leaf.value];
    if (part.bank >= 0 && part.axis == kNoAxis) joined[static_cast<std::size_t>(part.bank)] = true;
  }
  bool changed = false;
  for (const Leaf& leaf : graph_.leaves()) {
    MemberPart& part = parts_[leaf.value];
    if (part.axis == kNoAxis || !joined[static_cast<std::size_t>(part.bank)]) continue;
    part.axis = kNoAxis;
    changed = true;
  }
  return changed;
}

}  // namespace caddie::graph
