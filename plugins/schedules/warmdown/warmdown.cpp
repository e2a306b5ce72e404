// Warm-down: the learning rate is constant and falls linearly at the end of the run (the trapezoid: Zhai et al. 2021,
// arXiv:2106.04560; Haegele et al. 2024, arXiv:2405.18392).
//
//   steps:      scale = (N - t) / W                      in the last W of N steps
//   wallclock:  scale = (T - elapsed) / (W * seconds a step so far)   once the rest of the budget T is worth W steps
//   fraction:   scale = (1 - f) / w                      in the last share w of the run, f of which is over
//
// Never below min. "wallclock" without a time budget is "steps".
#include <caddie/plugin.hpp>

#include <algorithm>
#include <limits>

namespace {

using namespace caddie;

struct Warmdown : Schedule {
  static constexpr Identity identity{
      .id = "warmdown",
      .summary = "constant learning rate that falls linearly at the end of the run",
      .citation = "Zhai et al. 2021, arXiv:2106.04560; Haegele et al. 2024, arXiv:2405.18392",
      .reads = CADDIE_READS_TIME};

  Text mode{this, "mode", "fraction", "what the length of the fall is measured in", {"steps", "wallclock", "fraction"}};
  Integer steps{this, "steps", 1200, "steps of the fall, for the modes steps and wallclock; 0: no fall", at_least(0)};
  Number fraction{this, "fraction", 0.72, "share of the run that is fall, for the mode fraction; 0: no fall",
                  range(0, 1)};
  Number min{this, "min", 0.0, "least scale", range(0, 1)};
  Number reserve{this, "reserve", 0.0, "seconds at the end of the budget in which training is over already",
                 at_least(0)};

  [[nodiscard]] double scale(const Step& step) const override {
    const double falling = mode == "fraction"                               ? by_fraction(step)
                           : mode == "wallclock" && step.budget_seconds > 0 ? by_clock(step)
                                                                            : by_steps(step);
    return falling < min ? min.value() : falling;
  }

 private:
  [[nodiscard]] double by_steps(const Step& step) const {
    if (steps == 0) return 1;
    if (step.steps == 0) return std::numeric_limits<double>::quiet_NaN();  // a run without an end has no last steps
    const double left = static_cast<double>(step.steps - step.step) / static_cast<double>(steps.value());
    return std::clamp(left, 0.0, 1.0);
  }

  [[nodiscard]] double by_clock(const Step& step) const {
    if (steps == 0) return 1;
    const double left = std::max(step.budget_seconds - reserve - step.elapsed_seconds, 0.0);
    const double step_seconds = step.elapsed_seconds / static_cast<double>(std::max<int64_t>(step.step, 1));
    const double fall = static_cast<double>(steps.value()) * step_seconds;
    return left > fall ? 1 : left / std::max(fall, 1e-9);
  }

  [[nodiscard]] double by_fraction(const Step& step) const {
    if (fraction.value() == 0) return 1;
    const double train_seconds = step.budget_seconds - reserve;
    const bool timed = reserve > 0 && train_seconds > 0;
    const double over = timed ? std::min(step.elapsed_seconds / train_seconds, 1.0) : step.fraction;
    return over < 1 - fraction ? 1 : (1 - over) / fraction;
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(Warmdown)
