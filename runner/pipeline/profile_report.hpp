// Where a run's time went: a table for people and a trace for Perfetto (ui.perfetto.dev, chrome://tracing).
#pragma once

#include <filesystem>
#include <string>

#include "core/base/result.hpp"
#include "core/graph/profiling.hpp"

namespace caddie::pipeline {

inline constexpr const char* kProfileTable = "profile.txt";
inline constexpr const char* kProfileTrace = "trace.json";

// Self time by group of operations, then by hook; rates, and shares of `ceiling_gflops` (0: unknown).
std::string profile_table(const graph::ProfileSink& sink, double ceiling_gflops);
// In the Trace Event Format: one complete event a step, one thread a lane.
std::string profile_trace(const graph::ProfileSink& sink);
// Both, into the run's folder.
Result<void> write_profile(const graph::ProfileSink& sink, double ceiling_gflops, const std::filesystem::path& folder);

}  // namespace caddie::pipeline
