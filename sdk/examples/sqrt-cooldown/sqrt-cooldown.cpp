// Square-root cooldown: warm-up, constant, then one minus a square root (Haegele et al. 2024, "Scaling Laws and
// Compute-Optimal Training Beyond Fixed Training Durations", arXiv:2405.18392).
//
//   f < w:        scale = f / w                               f: the share of the run that is over
//   f <= 1 - c:   scale = 1
//   else:         scale = 1 - sqrt((f - (1 - c)) / c)
#include <caddie/plugin.hpp>

#include <algorithm>
#include <cmath>

namespace {

using namespace caddie;

struct SqrtCooldown : Schedule {
  static constexpr Identity identity{.id = "sqrt-cooldown",
                                     .summary = "warm-up, constant, then one minus a square root",
                                     .citation = "Haegele et al. 2024, arXiv:2405.18392",
                                     .reads = CADDIE_READS_TIME};

  Number warmup{this, "warmup", 0.02, "share of the run in which the rate rises", range(0, 0.5)};
  Number cooldown{this, "cooldown", 0.2, "share of the run in which it falls", range(0, 0.5)};

  [[nodiscard]] double scale(const Step& step) const override {
    const double f = step.fraction;
    if (f < warmup) return f / warmup;
    if (f <= 1 - cooldown) return 1;
    return 1 - std::sqrt(std::min(1.0, (f - (1 - cooldown)) / cooldown));
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(SqrtCooldown)
