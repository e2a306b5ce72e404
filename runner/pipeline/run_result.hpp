// What a run ended with: the content of result.json and of the summary. Plain values; any thread.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/artifact/sizes.hpp"
#include "core/train/activity.hpp"

namespace caddie::pipeline {

struct StageResult {
  std::string name;                     // "train", "average", "quantize", "evaluate flat"
  double seconds = 0;
  std::optional<double> budget_seconds;
  bool reused = false;
  std::optional<double> bits_per_byte;  // of the weights as they are after this stage
  bool partial = false;                 // measured on the first part of the validation stream only
  std::string remark;                   // "ttt", "1,200 steps"
};

// One thing a run must keep; a failed one makes it invalid.
struct Check {
  std::string name;  // "artifact size"
  bool passed = true;
  std::string text;  // the sentence for people
};

struct RunResult {
  std::string name;
  std::string digest;  // of the resolved manifest
  std::int64_t seed = 0;
  std::vector<StageResult> stages;
  std::int64_t parameters = 0;
  std::int64_t steps = 0;
  double train_seconds = 0;
  double tokens_per_second = 0;
  double final_loss = 0;             // mean nats per token over the last steps of training
  std::int64_t arena_bytes = 0;
  std::vector<train::BlockActivity> activity;  // what each block did over the first steps
  artifact::SizeTable sizes;
  std::int64_t artifact_cap = 0;
  std::string artifact_digest;
  std::optional<double> bits_per_byte;   // of the last evaluator
  std::optional<double> nats_per_token;
  std::int64_t targets = 0;
  std::int64_t target_bytes = 0;
  std::string ledger_digest;
  std::vector<Check> checks;
  std::vector<std::string> remarks;

  [[nodiscard]] bool valid() const;
};

nlohmann::json to_json(const RunResult& result);

}  // namespace caddie::pipeline
