#include "core/cpu/program_profile.hpp"

#include <algorithm>

namespace caddie::cpu {

void take_trace(const CompiledGraph& graph, GraphRun& run, int lane, std::vector<graph::TraceEvent>& out) {
  for (const GraphRun::Event& event : run.events()) {
    const CompiledGraph::PlacedStep& placed = graph.steps()[event.step];
    out.push_back({placed.name, placed.step->cost().group, placed.scope, lane, event.start_seconds, event.seconds});
  }
  run.events().clear();
}

void StepProfile::take(const CompiledGraph& graph, GraphRun& run, int side_by_side) {
  for (std::size_t i = 0; i < run.times().size(); ++i) {
    GraphRun::StepTime& time = run.times()[i];
    if (time.runs == 0) continue;
    const CompiledGraph::PlacedStep& placed = graph.steps()[i];
    const StepCost cost = placed.step->cost();
    graph::ProfileEntry& entry = entries_[{cost.group, placed.scope}];
    entry.group = cost.group;
    entry.scope = placed.scope;
    entry.seconds += time.seconds / side_by_side;
    entry.busy_seconds += time.busy_seconds / side_by_side;
    entry.flops += cost.flops * static_cast<double>(time.runs);
    entry.bytes += cost.bytes * static_cast<double>(time.runs);
    time = {};
  }
}

std::vector<graph::ProfileEntry> StepProfile::entries() const {
  std::vector<graph::ProfileEntry> out;
  for (const auto& [key, entry] : entries_) out.push_back(entry);
  std::ranges::stable_sort(out, std::ranges::greater{}, &graph::ProfileEntry::seconds);
  return out;
}

}  // namespace caddie::cpu
