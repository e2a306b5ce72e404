// Scoring as a stage: the artifact's weights under one evaluator, with test-time training where the manifest asks for it; and
// quick plain evaluations after the stages before, so that one sees where bits per byte come from.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/data/dataset.hpp"
#include "core/graph/executor.hpp"
#include "core/plugins/model.hpp"
#include "core/score/evaluation.hpp"
#include "core/train/banks.hpp"
#include "runner/manifest/manifest.hpp"
#include "runner/pipeline/reporter.hpp"
#include "runner/pipeline/workbench.hpp"

namespace caddie::pipeline {

inline constexpr const char* kLedgerFile = "ledger";
inline constexpr const char* kEvaluationReport = "evaluation.json";

struct EvaluateStage {
  graph::Executor* executor = nullptr;
  const manifest::Manifest* manifest = nullptr;
  const plugins::Model* model = nullptr;
  const data::Dataset* dataset = nullptr;
  const plugins::Object* evaluator = nullptr;
  plugins::Object* strategy = nullptr;  // nullptr: weights stay
  std::string subject;                  // what is scored, for the ledger
  Reporter* reporter = nullptr;
};

// `output` receives the ledger and the report.
Result<score::EvaluationReport> run_evaluation(const EvaluateStage& stage, const std::vector<train::HostTensor>& weights,
                                               const std::filesystem::path& output);
Result<score::EvaluationReport> read_evaluation_report(const std::filesystem::path& folder);

// Windows of this many targets at most are enough for a look between stages.
inline constexpr std::int64_t kQuickTargets = 32768;

struct QuickLook {
  double bits_per_byte = 0;
  bool partial = false;  // not the whole validation stream
};

// Plain scoring in windows of the context, end to end, of at most kQuickTargets targets.
Result<QuickLook> quick_look(const EvaluateStage& stage, const std::vector<train::HostTensor>& weights);

}  // namespace caddie::pipeline
