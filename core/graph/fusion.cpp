#include "core/graph/fusion.hpp"

#include <algorithm>
#include <queue>

#include "core/graph/fusion_grouping.hpp"
#include "core/graph/rebuild.hpp"

namespace caddie::graph {
namespace {

constexpr std::uint32_t kNone = 0xFFFFFFFF;

bool same_view(const View& a, const View& b) {
  if (a.base != b.base || a.offset != b.offset || a.bounded != b.bounded) return false;
  if (a.bounded && a.fill != b.fill) return false;
  return joined_axes(a) == joined_axes(b);
}

// Builds the steps of a finished grouping.
class StepMaker {
 public:
  StepMaker(const Graph& graph, const ValueViews& views, const Grouping& grouping)
      : graph_(graph), views_(views), grouping_(grouping) {}

  Step make(std::uint32_t founder) const {
    Step step;
    std::vector<std::uint32_t> nodes = grouping_.members(founder);
    std::ranges::sort(nodes);
    step.node = nodes.back();
    step.fused = grouping_.is_group(founder);
    if (const Epilogue* epilogue = grouping_.epilogue(founder)) {
      add_product(step, *epilogue);
    } else if (step.fused) {
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
  void add_product(Step& step, const Epilogue& epilogue) const {
    step.node = epilogue.product;
    for (const Value input : graph_.nodes()[step.node].inputs) step.inputs.push_back(views_.all()[input]);
    for (const View& view : {epilogue.scale, epilogue.addend, epilogue.bias, epilogue.slope_at}) {
      if (view.base != 0) step.inputs.push_back(view);
    }
    step.writes.push_back(epilogue.result);
    if (epilogue.before != 0) step.writes.push_back(epilogue.before);
    const Node& product = graph_.nodes()[epilogue.product];
    for (std::uint32_t i = 1; i < product.output_count; ++i) step.writes.push_back(product.first_output + i);
    step.epilogue = epilogue;
  }

  void add_member(Step& step, std::uint32_t node, std::uint32_t founder) const {
    const Node& n = graph_.nodes()[node];
    GroupMember member{.node = node, .operands = {}, .stored = false};
    for (std::size_t i = 0; i < n.inputs.size(); ++i) member.operands.push_back(operand(step.group, node, i, founder));
    member.stored = is_reduction(n.op) || grouping_.readers().is_kept(n.first_output) ||
                    std::ranges::any_of(grouping_.readers().of(n.first_output), [&](const Reader& reader) {
                      return grouping_.step_of(reader.node) != founder;
                    });
    if (is_reduction(n.op)) step.group.reduction = reduced_axes(graph_, n);
    if (member.stored) step.writes.push_back(n.first_output);
    step.group.members.push_back(std::move(member));
  }

  GroupOperand operand(FusedGroup& group, std::uint32_t node, std::size_t input, std::uint32_t founder) const {
    const View read = views_.operand(node, input);
    const std::uint32_t maker = graph_.info(read.base).node;
    if (grouping_.readers().is_run(maker) && grouping_.step_of(maker) == founder) {
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

std::span<const View> views_read(const Step& step) {
  return step.fused ? std::span(step.group.inputs) : std::span(step.inputs);
}

bool reads_in_order(const Graph& graph, const Step& step, Value base) {
  if (!step.fused) return false;
  bool any = false;
  for (const View& read : step.group.inputs) {
    if (read.base != base) continue;
    any = true;
    if (!is_all_in_order(graph, read)) return false;
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
    if (grouping.readers().is_run(node) && grouping.step_of(node) == node) steps.push_back(maker.make(node));
  }
  return {ordered(graph, std::move(steps)), views.all()};
}

}  // namespace caddie::graph
