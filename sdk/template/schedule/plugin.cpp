// @ID@: a short warm-up, then half a cosine down (SGDR without restarts: Loshchilov & Hutter 2017, arXiv:1608.03983).
//
//   f < w:   scale = f / w                                            f: the share of the run that is over
//   else:    scale = floor + (1 - floor) (1 + cos(pi (f - w) / (1 - w))) / 2
#include <caddie/plugin.hpp>

#include <cmath>

namespace {

using namespace caddie;

struct @CLASS@ : Schedule {
  static constexpr Identity identity{.id = "@ID@",
                                     .summary = "a short warm-up, then half a cosine down",
                                     .citation = "Loshchilov & Hutter 2017, arXiv:1608.03983",
                                     .reads = CADDIE_READS_TIME};

  Number warmup{this, "warmup", 0.02, "share of the run in which the rate rises", range(0, 0.9)};
  Number floor{this, "floor", 0.0, "scale at the end", range(0, 1)};

  [[nodiscard]] double scale(const Step& step) const override {
    const double f = step.fraction;
    if (f < warmup) return f / warmup;
    const double over = (f - warmup) / (1 - warmup);
    return floor + (1 - floor) * (1 + std::cos(3.14159265358979323846 * over)) / 2;
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(@CLASS@)
