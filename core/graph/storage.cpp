#include "core/graph/storage.hpp"

#include <algorithm>

namespace caddie::graph {
namespace {

class Planner {
 public:
  Planner(const Graph& graph, const Partition& partition, const StorageRules& rules)
      : graph_(graph), partition_(partition), rules_(rules), written_(graph.value_count(), 0),
        last_read_(graph.value_count(), 0), is_read_(graph.value_count(), false) {
    plan_.of.resize(graph.value_count());
  }

  StoragePlan run() {
    find_lives();
    place_fixed();
    place_updates();
    for (std::uint32_t step = 0; step < partition_.steps.size(); ++step) place_results(step);
    stage_late_updates();
    return std::move(plan_);
  }

 private:
  [[nodiscard]] std::uint32_t end() const { return static_cast<std::uint32_t>(partition_.steps.size()); }

  [[nodiscard]] std::size_t bytes(Value value) const {
    const std::size_t each = rules_.element_bytes != nullptr ? rules_.element_bytes(value) : 4;
    return static_cast<std::size_t>(graph_.shape(value).elements()) * each;
  }

  void read(Value base, std::uint32_t step) {
    last_read_[base] = std::max(last_read_[base], step);
    is_read_[base] = true;
  }

  void find_lives() {
    for (std::uint32_t i = 0; i < end(); ++i) {
      const Step& step = partition_.steps[i];
      for (const View& view : views_read(step)) read(view.base, i);
      for (const Value value : step.writes) written_[value] = i;
    }
    for (const Output& output : graph_.outputs()) read(partition_.views[output.value].base, end());
  }

  void place_fixed() {
    for (Value value = 1; value < graph_.value_count(); ++value) {
      const Op op = graph_.node_of(value).op;
      if (op == Op::leaf) plan_.of[value] = {Home::leaf, value, 0};
      if (op == Op::constant) plan_.of[value] = {Home::constant, value, 0};
    }
  }

  // Values that become a leaf's new value and are made after everybody has read the old one go straight to the leaf.
  void place_updates() {
    for (const Update& update : graph_.updates()) {
      const View& from = partition_.views[update.value];
      if (plan_.of[from.base].home == Home::leaf || plan_.of[from.base].home == Home::constant) read(from.base, end());
    }
    for (const Update& update : graph_.updates()) {
      const View& from = partition_.views[update.value];
      Storage& storage = plan_.of[from.base];
      const bool nothing_to_do = from.base == update.leaf && is_all_in_order(graph_, from);
      if (nothing_to_do) continue;
      if (storage.home == Home::none && is_all_in_order(graph_, from) && may_overwrite(update.leaf, from.base)) {
        storage = {Home::leaf, update.leaf, 0};
      } else {
        read(from.base, end());
        plan_.late.push_back({update.leaf, from, false, 0});
      }
    }
  }

  // Whether `value` can be written where `old` is: nobody reads `old` later, and its writer reads it in order or not at
  // all.
  [[nodiscard]] bool may_overwrite(Value old, Value value) const {
    const std::uint32_t step = written_[value];
    if (!is_read_[old] || last_read_[old] < step) return true;
    return last_read_[old] == step && writes_in_order(partition_.steps[step], old, value);
  }

  [[nodiscard]] bool writes_in_order(const Step& step, Value old, Value value) const {
    if (graph_.shape(old).elements() != graph_.shape(value).elements()) return false;
    if (step.fused)
      return graph_.shape(value).elements() == step.group.elements && !is_reduction(graph_.node_of(value).op) &&
             reads_in_order(graph_, step, old);
    const Node& node = graph_.nodes()[step.node];
    bool allowed = value == step.writes.front();
    for (std::size_t i = 0; i < step.inputs.size(); ++i) {
      if (step.inputs[i].base != old) continue;
      const bool in_place =
          i < node.inputs.size() ? rules_.in_place(node, i) : step.inputs[i].base == step.epilogue->addend.base;
      allowed = allowed && is_all_in_order(graph_, step.inputs[i]) && in_place;
    }
    return allowed && std::ranges::count(step.inputs, old, &View::base) == 1;
  }

  void place_results(std::uint32_t number) {
    const Step& step = partition_.steps[number];
    for (const Value value : step.writes) {
      Storage& storage = plan_.of[value];
      if (storage.home == Home::leaf) continue;
      const std::uint32_t last = is_read_[value] ? last_read_[value] : number;
      storage = {Home::arena, 0, inherited_block(number, value)};
      MemoryBlock& block = plan_.blocks[storage.block];
      block.last = std::max(block.last, last);
    }
  }

  // The block of an input that ends here and may be written over, or a new one.
  std::uint32_t inherited_block(std::uint32_t number, Value value) {
    const Step& step = partition_.steps[number];
    for (const View& view : views_read(step)) {
      const Storage& old = plan_.of[view.base];
      if (old.home != Home::arena || plan_.blocks[old.block].last != number) continue;
      if (plan_.blocks[old.block].bytes != bytes(value) || !writes_in_order(step, view.base, value)) continue;
      if (shares_block(step, view.base, old.block)) continue;
      return old.block;
    }
    plan_.blocks.push_back({bytes(value), number, number});
    return static_cast<std::uint32_t>(plan_.blocks.size() - 1);
  }

  // Another input or an earlier result of the step stands in the block.
  [[nodiscard]] bool shares_block(const Step& step, Value base, std::uint32_t block) const {
    const auto is_there = [&](Value value) {
      return value != base && plan_.of[value].home == Home::arena && plan_.of[value].block == block;
    };
    return std::ranges::any_of(views_read(step), [&](const View& view) { return is_there(view.base); }) ||
           std::ranges::any_of(step.writes, is_there);
  }

  void stage_late_updates() {
    for (LateUpdate& update : plan_.late) {
      const Storage& from = plan_.of[update.from.base];
      if (from.home != Home::leaf) continue;
      update.staged =
          std::ranges::any_of(plan_.late, [&](const LateUpdate& other) { return other.leaf == from.owner; });
      if (!update.staged) continue;
      update.block = static_cast<std::uint32_t>(plan_.blocks.size());
      plan_.blocks.push_back({bytes(update.leaf), end(), end()});
    }
  }

  const Graph& graph_;
  const Partition& partition_;
  const StorageRules& rules_;
  StoragePlan plan_;
  std::vector<std::uint32_t> written_;    // by value: the step that makes it
  std::vector<std::uint32_t> last_read_;  // by value: the last step that reads it
  std::vector<bool> is_read_;
};

}  // namespace

StoragePlan plan_storage(const Graph& graph, const Partition& partition, const StorageRules& rules) {
  return Planner(graph, partition, rules).run();
}

}  // namespace caddie::graph
