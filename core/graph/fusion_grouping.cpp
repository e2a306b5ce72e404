#include "core/graph/fusion_grouping.hpp"

#include <algorithm>

namespace caddie::graph {
namespace {

constexpr std::int64_t kWorthJoining = 64;  // elements of a value for whose sake groups are joined

}  // namespace

Grouping::Grouping(const Graph& graph, const FusionRules& rules, const std::vector<bool>& live, const ValueViews& views)
    : graph_(graph), rules_(rules), views_(views), readers_(graph, live, views), finder_(graph, rules, views, readers_),
      step_of_(graph.nodes().size(), kNone), members_(graph.nodes().size()), visited_(graph.nodes().size(), 0) {
  for (auto node = static_cast<std::uint32_t>(graph.nodes().size()); node-- > 0;) {
    if (readers_.is_run(node) && step_of_[node] == kNone) place(node);
  }
  join_siblings();
}

bool Grouping::is_group(std::uint32_t step) const {
  return readers_.is_fusible(members_[step].front()) && !epilogues_.contains(step);
}

const Epilogue* Grouping::epilogue(std::uint32_t step) const {
  const auto found = epilogues_.find(step);
  return found != epilogues_.end() ? &found->second : nullptr;
}

std::int64_t Grouping::walked(std::uint32_t node) const {
  const Node& n = graph_.nodes()[node];
  return graph_.shape(is_reduction(n.op) ? n.inputs[0] : n.first_output).elements();
}

void Grouping::place(std::uint32_t node) {
  step_of_[node] = node;
  members_[node] = {node};
  if (!readers_.is_fusible(node) || is_reduction(graph_.nodes()[node].op)) return;
  const std::uint32_t step = joinable(node);
  if (is_stored_outside(node, step) && becomes_epilogue(node)) return;
  if (step == kNone) return;
  members_[node].clear();
  members_[step].push_back(node);
  step_of_[node] = step;
}

// Something that is not in `step` reads the node's value.
bool Grouping::is_stored_outside(std::uint32_t node, std::uint32_t step) const {
  const Value value = graph_.nodes()[node].first_output;
  return readers_.is_kept(value) || std::ranges::any_of(readers_.of(value), [&](const Reader& reader) {
           return step_of_[reader.node] != step;
         });
}

bool Grouping::becomes_epilogue(std::uint32_t node) {
  if (rules_.takes_epilogue == nullptr) return false;
  for (const Epilogue& epilogue : finder_.find(node)) {
    if (!rules_.takes_epilogue(epilogue)) continue;
    absorb(node, epilogue);
    return true;
  }
  return false;
}

// The node reads what the product and its epilogue read, and nothing else; it stands for the product from now on. What
// the activation is taken of is made by the same step if anybody still reads it.
void Grouping::absorb(std::uint32_t node, Epilogue epilogue) {
  for (const Value input : graph_.nodes()[epilogue.product].inputs) readers_.add(node, views_.all()[input].base);
  for (const View& view : {epilogue.scale, epilogue.addend, epilogue.bias, epilogue.slope_at}) {
    if (view.base != 0) readers_.add(node, view.base);
  }
  readers_.drop(node);
  const bool is_gone = readers_.of(graph_.nodes()[epilogue.product].first_output).empty();
  if (is_gone && readers_.is_run(epilogue.product)) {  // for the sake of its other outputs
    readers_.drop(epilogue.product);
    step_of_[epilogue.product] = node;
    members_[node].push_back(epilogue.product);
  }
  if (epilogue.before != 0) {
    const std::uint32_t before = graph_.info(epilogue.before).node;
    if (readers_.is_run(before)) {
      readers_.drop(before);
      step_of_[before] = node;
      members_[node].push_back(before);
    } else {
      epilogue.before = 0;
    }
  }
  epilogues_.emplace(node, std::move(epilogue));
}

// The group of readers that the node can join without a circle: no other reader comes before that group.
std::uint32_t Grouping::joinable(std::uint32_t node) {
  const auto& readers = readers_.of(graph_.nodes()[node].first_output);
  std::vector<std::uint32_t> steps;
  for (const Reader& reader : readers) {
    const std::uint32_t step = step_of_[reader.node];
    if (std::ranges::find(steps, step) == steps.end()) steps.push_back(step);
  }
  for (const std::uint32_t step : steps) {
    if (!is_group(step) || walked(members_[step].front()) != walked(node)) continue;
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

// Distinct bases read by the group and the node.
std::size_t Grouping::inputs_after_join(std::uint32_t step, std::uint32_t node) const {
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
  return static_cast<std::size_t>(std::unique(bases.begin(), bases.end()) - bases.begin());
}

// Whether `to` needs something of `from`, through any number of steps between.
bool Grouping::reaches(std::uint32_t from, std::uint32_t to) {
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
        for (const Reader& reader : readers_.of(n.first_output + i)) {
          const std::uint32_t next = step_of_[reader.node];
          // A reader that is not placed yet asks for itself when it is.
          if (next != kNone && next != step && visited_[next] != visit_) stack_.push_back(next);
        }
      }
    }
  }
  return false;
}

std::vector<ReducedAxis> Grouping::reduction_of(std::uint32_t step) const {
  for (const std::uint32_t member : members_[step]) {
    if (is_reduction(graph_.nodes()[member].op)) return reduced_axes(graph_, graph_.nodes()[member]);
  }
  return {};
}

bool Grouping::can_merge(std::uint32_t a, std::uint32_t b) {
  if (walked(members_[a].front()) != walked(members_[b].front())) return false;
  if (members_[a].size() + members_[b].size() > rules_.most_members) return false;
  std::size_t inputs = 0;
  for (const std::uint32_t step : {a, b}) inputs += inputs_after_join(step, members_[step].front());
  if (inputs > rules_.most_inputs) return false;
  const auto reduction_a = reduction_of(a);
  const auto reduction_b = reduction_of(b);
  if (!reduction_a.empty() && !reduction_b.empty() && reduction_a != reduction_b) return false;
  return !reaches(a, b) && !reaches(b, a);
}

void Grouping::join_siblings() {
  for (Value value = 1; value < graph_.value_count(); ++value) {
    if (graph_.shape(value).elements() < kWorthJoining) continue;
    std::vector<std::uint32_t> steps;
    for (const Reader& reader : readers_.of(value)) {
      const std::uint32_t step = step_of_[reader.node];
      if (reader.in_order && std::ranges::find(steps, step) == steps.end()) steps.push_back(step);
    }
    for (std::size_t i = 0; i < steps.size(); ++i) {
      for (std::size_t k = i + 1; k < steps.size();) {
        if (can_merge(steps[i], steps[k])) {
          merge(steps[i], steps[k]);
          steps.erase(steps.begin() + static_cast<std::ptrdiff_t>(k));
        } else {
          ++k;
        }
      }
    }
  }
}

void Grouping::merge(std::uint32_t into, std::uint32_t from) {
  for (const std::uint32_t member : members_[from]) step_of_[member] = into;
  members_[into].insert(members_[into].end(), members_[from].begin(), members_[from].end());
  members_[from].clear();
}

}  // namespace caddie::graph
