// Training as a stage: goes on from the run's checkpoints, writes metrics, and leaves averaged and raw weights in the store.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/comm/device_group.hpp"
#include "core/comm/process_group.hpp"
#include "core/data/dataset.hpp"
#include "core/graph/executor.hpp"
#include "core/plugins/model.hpp"
#include "core/train/trainer.hpp"
#include "runner/manifest/manifest.hpp"
#include "runner/pipeline/reporter.hpp"
#include "runner/pipeline/workbench.hpp"

namespace caddie::pipeline {

inline constexpr const char* kAveragedWeights = "weights.safetensors";
inline constexpr const char* kRawWeights = "raw.safetensors";
inline constexpr const char* kTrainReport = "train.json";
inline constexpr const char* kMetrics = "metrics.jsonl";

struct TrainReport {
  std::int64_t steps = 0;
  std::int64_t tokens = 0;
  std::int64_t parameters = 0;
  double seconds = 0;
  double average_seconds = 0;
  double final_loss = 0;        // mean nats per token of the last tenth of the steps, at most 50
  double tokens_per_second = 0;
  std::int64_t arena_bytes = 0;
  std::vector<train::BlockActivity> activity;  // over the first steps
};

struct TrainStage {
  graph::Executor* executor = nullptr;
  const manifest::Manifest* manifest = nullptr;
  const plugins::Model* model = nullptr;
  Objects* objects = nullptr;
  const data::Dataset* dataset = nullptr;
  std::filesystem::path run_folder;  // checkpoints and metrics while it goes on
  std::string run_digest;            // the stage's key
  comm::ProcessGroup* group = nullptr;   // nullptr: one process; others than rank 0 write nothing
  comm::DeviceGroup* devices = nullptr;  // as in train::TrainerParts
  int threads = 1;                       // of this process
  Reporter* reporter = nullptr;
};

// Code::cancelled when a signal asked to stop: a checkpoint is written then. `output` receives the files named above.
Result<TrainReport> run_training(const TrainStage& stage, const std::filesystem::path& output);
// What the trainer of such a stage is made of.
train::TrainerParts trainer_parts(const TrainStage& stage, const data::TokenStream& tokens);
train::TrainerOptions trainer_options(const TrainStage& stage);

Result<TrainReport> read_train_report(const std::filesystem::path& folder);

}  // namespace caddie::pipeline
