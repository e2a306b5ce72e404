#include "core/graph/fusion.hpp"

#include <algorithm>
#include <queue>

#include "core/graph/fusion_views.hpp"
#include "core/graph/rebuild.hpp"

namespace caddie::graph {
namespace {

constexpr std::uint32_t kNone = 0xFFFFFFFF;

struct Reader {
  std::uint32_t node = 0;
  bool in_order = false;  // reads the whole value, element e at its own element e
};

// Groups while they form. A step is a set of nodes; its number is that of the node that founded it.
class Grouping {
 public:
  Grouping(const Graph& graph, const FusionRules& rules, const std::vector<bool>& live, const ValueViews& views)
      : graph_(graph), rules_(rules), live_(live), views_(views), step_of_(graph.nodes().size(), kNone),
        members_(graph.nodes().size()), readers_(graph.value_count()), visited_(graph.nodes().size(), 0) {
    find_readers();
    for (std::uint32_t node = static_cast<std::uint32_t>(graph.nodes().size()); node-- > 0;) {
      if (is_run(node)) place(node);
    }
    join_siblings();
  }

  [[nodiscard]] std::uint32_t step_of(std::uint32_t node) const { return step_of_[node]; }
  [[nodiscard]] const std::vector<std::uint32_t>& members(std::uint32_t step) const { return members_[step]; }
  [[nodiscard]] const std::vector<Reader>& readers(Value value) const { return readers_[value]; }
  [[nodiscard]] bool is_run(std::uint32_t node) const {
    const Op op = graph_.nodes()[node].op;
    return live_[node] && op != Op::leaf && op != Op::constant && !views_.is_view(node);
  }
  [[nodiscard]] bool is_fusible(std::uint32_t node) const {
    const Node& n = graph_.nodes()[node];
    return is_elementwise(n.op) || is_reduction(n.op) || moves_only(graph_, n);
  }
  // Elements the node walks.
  [[nodiscard]] std::int64_t walked(std::uint32_t node) const {
    const Node& n = graph_.nodes()[node];
    return graph_.shape(is_reduction(n.op) ? n.inputs[0] : n.first_output).elements();
  }

 private:
  void find_readers() {
    for (std::uint32_t node = 0; node < graph_.nodes().size(); ++node) {
      if (!is_run(node)) continue;
      const Node& n = graph_.nodes()[node];
      for (std::size_t i = 0; i < n.inputs.size(); ++i) {
        const View read = is_fusible(node) ? views_.operand(node, i) : views_.all()[n.inputs[i]];
        const bool in_order = is_fusible(node) && read.is_dense() && read.offset == 0 &&
                              read.shape.elements() == graph_.shape(read.base).elements();
        readers_[read.base].push_back({node, in_order});
      }
    }
  }

  void place(std::uint32_t node) {
    step_of_[node] = node;
    members_[node] = {node};
    if (!is_fusible(node) || is_reduction(graph_.nodes()[node].op)) return;
    const std::uint32_t step = joinable(node);
    if (step == kNone) return;
    members_[node].clear();
    members_[step].push_back(node);
    step_of_[node] = step;
  }

  // The group of readers that the node can join without a circle: no other reader comes before that group.
  std::uint32_t joinable(std::uint32_t node) {
    const auto& readers = readers_[graph_.nodes()[node].first_output];
    std::vector<std::uint32_t> steps;
    for (const Reader& reader : readers) {
      const std::uint32_t step = step_of_[reader.node];
      if (std::ranges::find(steps, step) == steps.end()) steps.push_back(step);
    }
    for (const std::uint32_t step : steps) {
      if (!is_fusible(members_[step].front()) || walked(members_[step].front()) != walked(node)) continue;
      if (members_[step].size() >= rules_.most_members) continue;
      const bool in_order =
          std::ranges::all_of(readers, [&](const Reader& r) { return step_of_[r.node] != step || r.in_order; });
      if (!in_order || inputs_after_join(step, node) > rules_.most_inputs) continue;
      const bool others_before =
          std::ranges::any_of(steps, [&](std::uint32_t other) { return other != step && reaches(other, step); });
      if (!others_before) return step;
    }
    return kNone;
  }

  // An upper bound: distinct bases read by the group and the node.
  [[nodiscard]] std::size_t inputs_after_join(std::uint32_t step, std::uint32_t node) const {
    std::vector<Value> bases;
    const auto add = [&](std::uint32_t member) {
      const Node& n = graph_.nodes()[member];
      for (std::size_t i = 0; i < n.inputs.size(); ++i) {
        const Value base = views_.operand(member, i).base;
        if (step_of_[graph_.info(base).node] != step) bases.push_back(base);
      }
    };
    for (const std::uint32_t member : members_[step]) add(member);
    add(node);
    std::ranges::sort(bases);
    return bases.size() - std::ranges::unique(bases).size();
  }

  // Whether a step depends on another, through any number of steps between.
  bool reaches(std::uint32_t from, std::uint32_t to) {
    ++visit_;
    stack_.assign(1, from);
    while (!stack_.empty()) {
      const std::uint32_t step = stack_.back();
      stack_.pop_back();
      if (step == to) return true;
      if (visited_[step] == visit_) continue;
      visited_[step] = visit_;
      for (const std::uint32_t member : members_[step]) {
        const Node& n = graph_.nodes()[member];
        for (std::uint32_t i = 0; i < n.output_count; ++i) {
          for (const Reader& reader : readers_[n.first_output + i]) {
            const std::uint32_t next = step_of_[reader.node];
            if (next != step && visited_[next] != visit_) stack_.push_back(next);
          }
        }
      }
    }
    return false;
  }

  [[nodiscard]] std::vector<ReducedAxis> reduction_of(std::uint32_t step) const {
    for (const std::uint32_t member : members_[step]) {
      if (is_reduction(graph_.nodes()[member].op)) return reduced_axes(graph_, graph_.nodes()[member]);
    }
    return {};
  }

  [[nodiscard]] bool can_merge(std::uint32_t a, std::uint32_t b) {
    if (walked(members_[a].front()) != walked(members_[b].front())) return false;
    if (members_[a].size() + members_[b].size() > rules_.most_members) return false;
    const auto reduction_a = reduction_of(a);
    const auto reduction_b = reduction_of(b);
    if (!reduction_a.empty() && !reduction_b.empty() && reduction_a != reduction_b) return false;
    return !reaches(a, b) && !reaches(b, a);
  }

  // Groups that read the same values in order walk over them once. Values of one element are not worth it.
  void join_siblings() {
    for (Value value = 1; value < graph_.value_count(); ++value) {
      if (graph_.shape(value).elements() < 64) continue;
      std::vector<std::uint32_t> steps;
      for (const Reader& reader : readers_[value]) {
        const std::uint32_t step = step_of_[reader.node];
        if (reader.in_order && std::ranges::find(steps, step) == steps.end()) steps.push_back(step);
      }
      for (std::size_t i = 0; i < steps.size(); ++i) {
        for (std::size_t k = i + 1; k < steps.size();) {
          if (inputs_of_both(steps[i], steps[k]) <= rules_.most_inputs && can_merge(steps[i], steps[k])) {
            merge(steps[i], steps[k]);
            steps.erase(steps.begin() + static_cast<std::ptrdiff_t>(k));
          } else {
            ++k;
          }
        }
      }
    }
  }

  [[nodiscard]] std::size_t inputs_of_both(std::uint32_t a, std::uint32_t b) const {
    std::size_t count = 0;
    for (const std::uint32_t step : {a, b}) count += inputs_after_join(step, members_[step].front());
    return count;
  }

  void merge(std::uint32_t into, std::uint32_t from) {
    for (const std::uint32_t member : members_[from]) step_of_[member] = into;
    members_[into].insert(members_[into].end(), members_[from].begin(), members_[from].end());
    members_[from].clear();
  }

  const Graph& graph_;
  const FusionRules& rules_;
  const std::vector<bool>& live_;
  const ValueViews& views_;
  std::vector<std::uint32_t> step_of_;                // by node
  std::vector<std::vector<std::uint32_t>> members_;   // by step
  std::vector<std::vector<Reader>> readers_;          // by value
  std::vector<std::uint32_t> visited_;
  std::vector<std::uint32_t> stack_;
  std::uint32_t visit_ = 0;
};

bool same_view(const View& a, const View& b) {
  if (a.base != b.base || a.offset != b.offset || a.bounded != b.bounded) return false;
  if (a.bounded && a.fill != b.fill) return false;
  return joined_axes(a) == joined_axes(b);
}

// Builds the steps of a finished grouping.
class StepMaker {
 public:
  StepMaker(const Graph& graph, const ValueViews& views, const Grouping& grouping)
      : graph_(graph), views_(views), grouping_(grouping), kept_(graph.value_count(), false) {
    for (const Output& output : graph.outputs()) kept_[views.all()[output.value].base] = true;
    for (const Update& update : graph.updates()) kept_[views.all()[update.value].base] = true;
  }

  Step make(std::uint32_t founder) const {
    Step step;
    std::vector<std::uint32_t> nodes = grouping_.members(founder);
    std::ranges::sort(nodes);
    step.node = nodes.back();
    step.fused = grouping_.is_fusible(step.node);
    if (step.fused) {
      step.group.elements = grouping_.walked(step.node);
      for (const std::uint32_t node : nodes) add_member(step, node, founder);
    } else {
      const Node& n = graph_.nodes()[step.node];
      for (const Value input : n.inputs) step.inputs.push_back(views_.all()[input]);
      for (std::uint32_t i = 0; i < n.output_count; ++i) step.writes.push_back(n.first_output + i);
    }
    return step;
  }

 private:
  void add_member(Step& step, std::uint32_t node, std::uint32_t founder) const {
    const Node& n = graph_.nodes()[node];
    GroupMember member{.node = node, .operands = {}, .stored = false};
    for (std::size_t i = 0; i < n.inputs.size(); ++i) member.operands.push_back(operand(step.group, node, i, founder));
    member.stored = is_reduction(n.op) || kept_[n.first_output] ||
                    std::ranges::any_of(grouping_.readers(n.first_output), [&](const Reader& reader) {
                      return grouping_.step_of(reader.node) != founder;
                    });
    if (is_reduction(n.op)) step.group.reduction = reduced_axes(graph_, n);
    if (member.stored) step.writes.push_back(n.first_output);
    step.group.members.push_back(std::move(member));
  }

  GroupOperand operand(FusedGroup& group, std::uint32_t node, std::size_t input, std::uint32_t founder) const {
    const View read = views_.operand(node, input);
    const std::uint32_t maker = graph_.info(read.base).node;
    if (grouping_.is_run(maker) && grouping_.step_of(maker) == founder) {
      for (std::uint32_t i = 0; i < group.members.size(); ++i) {
        if (group.members[i].node == maker) return {true, i};
      }
    }
    for (std::uint32_t i = 0; i < group.inputs.size(); ++i) {
      if (same_view(group.inputs[i], read)) return {false, i};
    }
    group.inputs.push_back(read);
    return {false, static_cast<std::uint32_t>(group.inputs.size() - 1)};
  }

  const Graph& graph_;
  const ValueViews& views_;
  const Grouping& grouping_;
  std::vector<bool> kept_;  // by value: read by outputs or updates
};

// Steps in an order that can run, as near to the graph's own order as groups allow.
std::vector<Step> ordered(const Graph& graph, std::vector<Step> steps) {
  std::vector<std::uint32_t> writer(graph.value_count(), kNone);
  for (std::uint32_t i = 0; i < steps.size(); ++i) {
    for (const Value value : steps[i].writes) writer[value] = i;
  }
  std::vector<std::vector<std::uint32_t>> followers(steps.size());
  std::vector<std::uint32_t> waits(steps.size(), 0);
  for (std::uint32_t i = 0; i < steps.size(); ++i) {
    for (const View& read : views_read(steps[i])) {
      if (writer[read.base] == kNone) continue;
      followers[writer[read.base]].push_back(i);
      ++waits[i];
    }
  }
  using Entry = std::pair<std::uint32_t, std::uint32_t>;  // node, step
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> ready;
  for (std::uint32_t i = 0; i < steps.size(); ++i) {
    if (waits[i] == 0) ready.emplace(steps[i].node, i);
  }
  std::vector<Step> out;
  out.reserve(steps.size());
  while (!ready.empty()) {
    const std::uint32_t i = ready.top().second;
    ready.pop();
    for (const std::uint32_t next : followers[i]) {
      if (--waits[next] == 0) ready.emplace(steps[next].node, next);
    }
    out.push_back(std::move(steps[i]));
  }
  return out;
}

}  // namespace

bool is_elementwise(Op op) {
  const auto code = static_cast<std::uint32_t>(op);
  const bool source = op == Op::iota || op == Op::random_uniform || op == Op::random_normal;
  return source || (code >= static_cast<std::uint32_t>(Op::neg) && code <= static_cast<std::uint32_t>(Op::where));
}

bool is_reduction(Op op) { return op == Op::reduce_sum || op == Op::reduce_max || op == Op::reduce_min; }

std::span<const View> views_read(const Step& step) { return step.fused ? std::span(step.group.inputs) : std::span(step.inputs); }

bool reads_in_order(const Graph& graph, const Step& step, Value base) {
  if (!step.fused) return false;
  bool any = false;
  for (const View& read : step.group.inputs) {
    if (read.base != base) continue;
    any = true;
    const bool in_order = read.is_dense() && read.offset == 0 && read.shape.elements() == graph.shape(base).elements();
    if (!in_order) return false;
  }
  return any;
}

std::vector<ReducedAxis> reduced_axes(const Graph& graph, const Node& node) {
  const Shape& shape = graph.shape(node.inputs[0]);
  const auto reduced = node.attributes.integers("axes");
  std::vector<ReducedAxis> axes;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] == 1) continue;
    const bool gone = std::ranges::find(reduced, axis) != reduced.end();
    if (!axes.empty() && axes.back().reduced == gone) {
      axes.back().length *= shape[axis];
    } else {
      axes.push_back({shape[axis], gone});
    }
  }
  if (axes.empty()) axes.push_back({1, false});
  return axes;
}

Partition partition(const Graph& graph, const FusionRules& rules) {
  const std::vector<bool> live = live_nodes(graph);
  const ValueViews views(graph, rules, live);
  const Grouping grouping(graph, rules, live, views);
  const StepMaker maker(graph, views, grouping);
  std::vector<Step> steps;
  for (std::uint32_t node = 0; node < graph.nodes().size(); ++node) {
    if (grouping.is_run(node) && grouping.step_of(node) == node) steps.push_back(maker.make(node));
  }
  return {ordered(graph, std::move(steps)), views.all()};
}

}  // namespace caddie::graph
