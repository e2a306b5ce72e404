// An executor around another that gathers what its programs say about their time.
//
// A program hands over its profile and its trace when it ends. Threads: as the executor inside.
#pragma once

#include <memory>
#include <vector>

#include "core/graph/executor.hpp"

namespace caddie::graph {

struct ProfileSink {
  std::vector<ProfileEntry> entries;
  std::vector<TraceEvent> events;
};

// `inner` must have been made with profiling on; the sink fills up as programs end.
std::unique_ptr<Executor> make_profiling_executor(std::unique_ptr<Executor> inner, std::shared_ptr<ProfileSink> sink);

}  // namespace caddie::graph
