// A whole run: data, training, averaging, quantizing, compressing, evaluating; each stage reused when its inputs did not change.
//
// The run's folder holds resolved.json, origins.json, metrics.jsonl, artifact.caddie, one ledger for each evaluator, and
// result.json, which is written last: its presence means the run is complete. One thread.
#pragma once

#include <filesystem>
#include <string>

#include "core/base/result.hpp"
#include "core/comm/process_group.hpp"
#include "core/plugins/registry.hpp"
#include "runner/manifest/resolve.hpp"
#include "runner/pipeline/reporter.hpp"
#include "runner/pipeline/run_result.hpp"

namespace caddie::pipeline {

inline constexpr const char* kResultFile = "result.json";
inline constexpr const char* kResolvedFile = "resolved.json";
inline constexpr const char* kOriginsFile = "origins.json";

struct RunOptions {
  std::filesystem::path runs = "runs";  // runs and, under .stages, the store
  bool fresh = false;                   // reuse no stage and no checkpoint
  bool profile = false;                 // leaves profile.txt and trace.json in the run's folder
  comm::ProcessGroup* group = nullptr;  // nullptr: one process
};

// "runs/<name>-<first 8 digits of the digest>": the same resolved manifest has the same folder.
std::filesystem::path run_folder(const manifest::Resolution& resolution, const RunOptions& options);

// Code::cancelled when a signal asked to stop. Several processes call this at once, with the same arguments: they train
// together, rank 0 does and writes everything else, and the others return an empty result when training is over.
Result<RunResult> run(const manifest::Resolution& resolution, const plugins::Registry& registry, const RunOptions& options,
                      Reporter& reporter);

}  // namespace caddie::pipeline
