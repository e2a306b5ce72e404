// Progress of a run on stderr: one line drawn over on a terminal, now and then a plain line elsewhere.
#pragma once

#include <chrono>
#include <string>

#include "runner/pipeline/reporter.hpp"

namespace caddie::cli {

class Progress final : public pipeline::Reporter {
 public:
  // Quiet draws nothing but notes.
  explicit Progress(bool quiet);
  ~Progress() override;
  void begin_stage(std::string_view stage) override;
  void end_stage(std::string_view stage, double seconds, bool reused) override;
  void prepare(const data::Progress& progress) override;
  void train(const pipeline::TrainProgress& progress) override;
  void evaluate(std::string_view what, const score::EvaluationProgress& progress) override;
  void note(std::string_view text) override;

 private:
  using Clock = std::chrono::steady_clock;
  // Draws when it is time: ten times a second on a terminal, every ten seconds elsewhere; `always` ignores the clock.
  void draw(const std::string& line, bool always = false);
  [[nodiscard]] bool due();
  void clear();

  bool quiet_;
  bool live_;      // stderr is a terminal
  bool colours_;
  bool drawn_ = false;
  Clock::time_point last_ = {};
  double smoothed_rate_ = 0;  // tokens per second
};

}  // namespace caddie::cli
