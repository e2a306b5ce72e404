// Times of the steps of one or more runs, gathered by group and scope.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/cpu/graph_run.hpp"
#include "core/graph/executor.hpp"

namespace caddie::cpu {

// The events of a run since the last call.
void take_trace(const CompiledGraph& graph, GraphRun& run, int lane, std::vector<graph::TraceEvent>& out);

class StepProfile {
 public:
  // Adds the times of a run since the last call and sets them to zero; `side_by_side` runs share the time.
  void take(const CompiledGraph& graph, GraphRun& run, int side_by_side);
  // Longest first.
  [[nodiscard]] std::vector<graph::ProfileEntry> entries() const;

 private:
  std::map<std::pair<std::string, std::string>, graph::ProfileEntry> entries_;
};

}  // namespace caddie::cpu
