#include "core/graph/recompute.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "core/graph/rebuild.hpp"

namespace caddie::graph {
namespace {

constexpr std::size_t kLongestChain = 8;    // operations that are done again for one value
constexpr std::size_t kMostForGroup = 24;   // and for all values of a group
constexpr std::int64_t kWorthIt = 4096;     // elements

bool is_cheap(Op op) {
  switch (op) {
    case Op::iota:
    case Op::random_uniform:
    case Op::random_normal:
    case Op::sin:
    case Op::cos:
    case Op::pow:
    case Op::int_div:
    case Op::int_mod: return false;
    default: return is_elementwise(op);
  }
}

class Recomputing {
 public:
  Recomputing(const Graph& graph, const FusionRules& rules)
      : graph_(graph), partition_(partition(graph, rules)), step_of_(graph.nodes().size(), kNoStep),
        keepers_(graph.value_count(), 0), plans_(partition_.steps.size()) {
    for (std::size_t i = 0; i < partition_.steps.size(); ++i) {
      const Step& step = partition_.steps[i];
      if (!step.fused) continue;
      for (const GroupMember& member : step.group.members) step_of_[member.node] = i;
    }
    find_keepers();
    for (std::size_t i = 0; i < partition_.steps.size(); ++i) plan(i);
  }

  Result<Graph> run() {
    Rebuild rebuild(graph_);
    for (std::uint32_t number = 0; number < graph_.nodes().size(); ++number) {
      const Node node = graph_.nodes()[number];
      if (node.op == Op::leaf) continue;
      const std::size_t step = step_of_[number];
      if (step == kNoStep || plans_[step].empty()) {
        rebuild.copy(node);
        continue;
      }
      std::vector<Value> inputs;
      for (const Value input : node.inputs) inputs.push_back(again(rebuild, step, input));
      rebuild.map_outputs(node, rebuild.graph().emit_like(graph_, node, inputs));
    }
    const auto rebuilt = rebuild.finish();
    if (!rebuilt) return rebuilt.error();
    return without_dead_nodes(*rebuilt);
  }

 private:
  static constexpr std::size_t kNoStep = ~std::size_t{0};

  // Values in memory whatever becomes of groups: read by single nodes, outputs and updates, or made by single nodes.
  void find_keepers() {
    const auto keep = [&](const View& view) { keepers_[view.base] = 1; };
    for (const Step& step : partition_.steps) {
      if (step.fused) continue;
      for (const View& view : step.inputs) keep(view);
      for (const Value value : step.writes) keepers_[value] = 1;
    }
    for (const Output& output : graph_.outputs()) keep(partition_.views[output.value]);
    for (const Update& update : graph_.updates()) keep(partition_.views[update.value]);
    for (const Leaf& leaf : graph_.leaves()) keepers_[leaf.value] = 1;
  }

  [[nodiscard]] bool in_memory(Value base) const {
    const Op op = graph_.node_of(base).op;
    return keepers_[base] != 0 || op == Op::constant || is_reduction(op);
  }

  // The operations between `base` and values that are read or small; false where that is too far or too much.
  bool chain(Value base, std::int64_t elements, const std::set<Value>& reads, std::set<Value>& nodes,
             std::set<Value>& frontier) const {
    if (nodes.contains(base)) return true;
    const Node& node = graph_.node_of(base);
    if (!is_cheap(node.op) || step_of_[graph_.info(base).node] == kNoStep) return false;
    nodes.insert(base);
    if (nodes.size() > kLongestChain) return false;
    for (const Value input : node.inputs) {
      const View& view = partition_.views[input];
      if (graph_.shape(view.base).elements() < elements) {
        if (!in_memory(view.base)) return false;
        continue;
      }
      if (!is_all_in_order(graph_, view)) return false;
      if (reads.contains(view.base) || in_memory(view.base)) {
        frontier.insert(view.base);
      } else if (!chain(view.base, elements, reads, nodes, frontier)) {
        return false;
      }
    }
    return true;
  }

  void plan(std::size_t number) {
    const Step& step = partition_.steps[number];
    if (!step.fused || step.group.elements < kWorthIt) return;
    std::set<Value> reads;  // whole values that the group would still read
    std::vector<Value> candidates;
    for (const View& view : step.group.inputs) {
      if (graph_.shape(view.base).elements() != step.group.elements || !is_all_in_order(graph_, view)) continue;
      if (in_memory(view.base)) {
        reads.insert(view.base);
      } else {
        candidates.push_back(view.base);
      }
    }
    std::ranges::sort(candidates);
    for (const Value value : candidates) {
      std::set<Value> nodes;
      std::set<Value> frontier;
      if (!chain(value, step.group.elements, reads, nodes, frontier) ||
          plans_[number].size() + nodes.size() > kMostForGroup) {
        reads.insert(value);
        continue;
      }
      const auto more = std::ranges::count_if(frontier, [&](Value v) { return !reads.contains(v); });
      if (more > 1) {
        reads.insert(value);
        continue;
      }
      plans_[number].insert(nodes.begin(), nodes.end());
      reads.insert(frontier.begin(), frontier.end());
    }
  }

  // The value as the step reads it: made again if it is planned so, through the movements that lead to it.
  Value again(Rebuild& rebuild, std::size_t step, Value value) {
    if (!plans_[step].contains(partition_.views[value].base)) return rebuild.mapped(value);
    const auto known = made_.find({step, value});
    if (known != made_.end()) return known->second;
    const Node node = graph_.node_of(value);
    std::vector<Value> inputs;
    for (const Value input : node.inputs) inputs.push_back(again(rebuild, step, input));
    const Value made = rebuild.graph().emit_like(graph_, node, inputs);
    made_.emplace(std::pair{step, value}, made);
    return made;
  }

  const Graph& graph_;
  Partition partition_;
  std::vector<std::size_t> step_of_;       // by node: the fused step it is in
  std::vector<char> keepers_;              // by value
  std::vector<std::set<Value>> plans_;     // by step: values made again
  std::map<std::pair<std::size_t, Value>, Value> made_;
};

}  // namespace

Result<Graph> recompute_elementwise(const Graph& graph, const FusionRules& rules) {
  if (auto good = graph.status(); !good) return good.error();
  return Recomputing(graph, rules).run();
}

}  // namespace caddie::graph
