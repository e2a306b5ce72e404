#include "core/graph/member_cut.hpp"

#include <algorithm>

#include "core/graph/emitter.hpp"

namespace caddie::graph {
namespace {

constexpr int kNoBank = -1;
constexpr double kProductsPerElement = 8;  // multiplications of a product that take as long as one element elsewhere

double work_of(const Graph& graph, const Node& node) {
  const auto made = static_cast<double>(graph.shape(node.first_output).elements());
  if (node.op != Op::dot) {
    return keeps_elements_apart(graph, node) ? made : static_cast<double>(graph.shape(node.inputs[0]).elements());
  }
  double products = made;
  for (const std::int64_t axis : node.attributes.integers("contract_a")) {
    products *= static_cast<double>(graph.shape(node.inputs[0])[static_cast<int>(axis)]);
  }
  return products / kProductsPerElement;
}

// The updates of one bank, or of none, for some of the bank's members.
class Cutting {
 public:
  Cutting(const Graph& graph, const MemberParts& parts, int bank, std::int64_t members)
      : graph_(graph), parts_(parts), bank_(bank), members_(members), needed_(graph.nodes().size(), false),
        made_(graph.value_count(), 0) {}

  Result<Graph> run() {
    for (const Update& update : graph_.updates()) {
      if (is_mine(update)) need(update);
    }
    for (std::size_t i = needed_.size(); i-- > 0;) {
      if (!needed_[i]) continue;
      for (const Value input : graph_.nodes()[i].inputs) needed_[graph_.info(input).node] = true;
    }
    for (std::size_t i = 0; i < needed_.size(); ++i) {
      if (needed_[i]) make(graph_.nodes()[i]);
    }
    for (const Update& update : graph_.updates()) {
      if (is_mine(update)) to_.update(made_[update.leaf], cut(update.value, axis_of(update.leaf)));
    }
    if (auto good = to_.status(); !good) return good.error();
    return std::move(to_);
  }

 private:
  [[nodiscard]] bool is_mine(const Update& update) const { return parts_.of(update.leaf).bank == bank_; }
  [[nodiscard]] int axis_of(Value value) const { return bank_ == kNoBank ? kNoAxis : parts_.of(value).axis; }

  void need(const Update& update) {
    for (const Value value : {update.leaf, update.value}) needed_[graph_.info(value).node] = true;
  }

  void make(const Node& node) {
    to_.push_path(graph_.scope_name(node.scope));
    if (node.op == Op::leaf) {
      made_[node.first_output] = leaf(*graph_.leaf_of(node.first_output));
    } else {
      const Value first = emit(node);
      for (std::uint32_t i = 0; i < node.output_count; ++i) made_[node.first_output + i] = to_.output_of(first, i);
    }
    to_.pop_scope();
  }

  Value leaf(const Leaf& leaf) {
    Shape shape = graph_.shape(leaf.value);
    if (axis_of(leaf.value) != kNoAxis) shape[axis_of(leaf.value)] = members_;
    return to_.leaf(leaf.kind, leaf.name, graph_.dtype(leaf.value), shape);
  }

  Value emit(const Node& node) {
    const int axis = axis_of(node.first_output);
    std::vector<Value> inputs;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const bool is_other = axis != kNoAxis && axis_of(node.inputs[i]) == kNoAxis;
      inputs.push_back(is_other ? cut(node.inputs[i], axis_of_input(graph_, node, i, axis)) : made_[node.inputs[i]]);
    }
    if (axis == kNoAxis) return to_.emit_like(graph_, node, inputs);
    Node changed = node;
    changed.attributes = attributes_for_members(node, axis, members_);
    return to_.emit_like(graph_, changed, inputs);
  }

  // A value that is the same for all members, as long along their axis as they are now.
  Value cut(Value value, int axis) {
    if (axis == kNoAxis || axis_of(value) != kNoAxis) return made_[value];
    const std::int64_t length = graph_.shape(value)[axis];
    if (length == 1 || length == members_) return made_[value];
    return Emitter{to_}.slice_axis(made_[value], axis, 0, members_);
  }

  const Graph& graph_;
  const MemberParts& parts_;
  int bank_;
  std::int64_t members_;
  std::vector<bool> needed_;  // by node
  std::vector<Value> made_;   // by value
  Graph to_;
};

}  // namespace

MemberCut::MemberCut(const Graph& graph, std::vector<std::vector<std::string>> banks)
    : graph_(graph), banks_(std::move(banks)), parts_(graph, banks_), elementwise_(banks_.size(), true),
      work_(banks_.size(), 0) {
  for (const Node& node : graph.nodes()) {
    if (node.op == Op::leaf || parts_.of(node.first_output).bank < 0) continue;
    const auto bank = static_cast<std::size_t>(parts_.of(node.first_output).bank);
    elementwise_[bank] = elementwise_[bank] && keeps_elements_apart(graph, node);
    work_[bank] += work_of(graph, node);
  }
}

MemberCut::Kind MemberCut::kind(std::size_t bank) const {
  if (parts_.meets_others(bank)) return Kind::together;
  return parts_.of(graph_.find_leaf(banks_[bank][0])->value).axis == kNoAxis ? Kind::whole : Kind::apart;
}

std::vector<std::string> MemberCut::leaves_of(std::size_t bank) const {
  std::vector<std::string> names;
  for (const Leaf& leaf : graph_.leaves()) {
    if (parts_.of(leaf.value).bank == static_cast<int>(bank)) names.push_back(leaf.name);
  }
  return names;
}

Result<Graph> MemberCut::updates_of(std::size_t bank, std::int64_t members) const {
  return Cutting(graph_, parts_, static_cast<int>(bank), members).run();
}

Result<Graph> MemberCut::other_updates() const { return Cutting(graph_, parts_, kNoBank, 0).run(); }

}  // namespace caddie::graph
