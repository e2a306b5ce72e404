// One manifest of manifests/records as a program for one row of tokens. Mistakes are thrown as std::runtime_error with
// the host's message. One thread; executors outlive what they run.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/graph/executor.hpp"
#include "core/plugins/model.hpp"
#include "runner/manifest/overrides.hpp"
#include "runner/manifest/resolve.hpp"
#include "runner/pipeline/workbench.hpp"
#include "tests/records/golden.hpp"

namespace caddie::records {

// A run's model, at its own size or small.
class Record {
 public:
  Record(const std::string& run, bool small);

  [[nodiscard]] const plugins::Model& model() const { return *model_; }
  // The training program's graph for one row, as it is when `progress` of the run is over; no fake quantisation yet.
  [[nodiscard]] plugins::BuildResult build(std::int64_t context, double progress) const;

 private:
  manifest::Resolution resolution_;
  plugins::Host host_{1};
  std::vector<plugins::Object> blocks_;
  std::unique_ptr<plugins::Model> model_;
};

// What a run of the model on the golden's tokens and parameters gives.
struct Outcome {
  double loss = 0;
  std::vector<double> nll;
  std::vector<double> logits;
  std::map<std::string, std::vector<double>> gradients;  // of the parameters that have one
};
Outcome compute(const Record& record, const Golden& golden, graph::Executor& executor, double progress = 1);

}  // namespace caddie::records
