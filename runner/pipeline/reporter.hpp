// What a run tells while it goes on; the command line draws it, tests ignore it. Called on the run's thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/data/prepare.hpp"
#include "core/score/evaluation.hpp"
#include "core/train/trainer.hpp"

namespace caddie::pipeline {

struct TrainProgress {
  train::StepReport last;
  std::int64_t steps = 0;        // of the run; 0 when time limits it
  double elapsed_seconds = 0;
  double budget_seconds = 0;     // 0: none
  double fraction = 0;
};

class Reporter {
 public:
  virtual ~Reporter() = default;
  virtual void begin_stage(std::string_view stage) { (void)stage; }
  virtual void end_stage(std::string_view stage, double seconds, bool reused) { (void)stage, (void)seconds, (void)reused; }
  virtual void prepare(const data::Progress& progress) { (void)progress; }
  virtual void train(const TrainProgress& progress) { (void)progress; }
  virtual void evaluate(std::string_view what, const score::EvaluationProgress& progress) { (void)what, (void)progress; }
  // Something a reader wants to know; one sentence.
  virtual void note(std::string_view text) { (void)text; }
};

}  // namespace caddie::pipeline
