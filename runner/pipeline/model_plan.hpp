// What a manifest builds, before anything runs: parameters and their owners, the visits of every phase, and what blocks
// noted about themselves. Needs no data, no device and none of the plugins of later stages. One thread.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/plugins/build.hpp"
#include "core/plugins/registry.hpp"
#include "runner/manifest/manifest.hpp"

namespace caddie::pipeline {

struct PlannedOptimizer {
  std::string name;
  std::string use;
  std::int64_t tensors = 0;
  std::int64_t parameters = 0;
};

// A part of the run in which one graph is trained.
struct PlannedPhase {
  double from_progress = 0;       // fraction of the run
  std::optional<double> below_scale;  // begins when the learning-rate scale falls below this
  std::vector<int> visits;
  int encoder_visits = 0;
  // Instance and key; a note said at several visits with different values is an object by visit.
  std::map<std::string, std::map<std::string, nlohmann::json>> notes;
};

struct ModelPlan {
  std::vector<plugins::TensorDeclaration> parameters;
  std::vector<int> owner;  // index into `optimizers` for each parameter, -1 for none
  std::vector<PlannedOptimizer> optimizers;
  std::vector<PlannedPhase> phases;
  std::int64_t parameter_count = 0;
  std::int64_t unowned_count = 0;
};

Result<ModelPlan> plan_model(const manifest::Manifest& manifest, const plugins::Registry& registry);
nlohmann::json to_json(const ModelPlan& plan);

}  // namespace caddie::pipeline
