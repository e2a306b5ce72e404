// Late quantisation-aware training: near the end of a run, weights are used as the quantizer will leave them, so that
// the model gets used to it (Jacob et al. 2017, arXiv:1712.05877; straight-through gradient: Bengio et al. 2013,
// arXiv:1308.3432; openai/parameter-golf PR #315, #1033, #1130).
//
//   row r of a weight W [m, n]:   s = max(max_j |W_rj|, 1) / R        u = W / s        n = round(u), R = 31 for int6
//   hard:  W' = s clamp(n, -R-1, R)                              dW'/dW = 1
//   tanh:  W' = s clamp(n + tanh((u - n) / T) / 2, -R-1, R)      dW'/dW = sech^2((u - n) / T) / (2 T)
//
// It begins when the learning-rate scale falls below the threshold. T falls geometrically from 1.0 to 0.05 while the
// scale goes from the threshold to 0. Values lie within the clamp but for rounding, so it does not cut gradients.
#include <caddie/plugin.hpp>

#include <fnmatch.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string>

namespace {

using namespace caddie;

struct LateQat : Block {
  static constexpr Identity identity{.id = "late-qat",
                                     .summary = "weights are used as if quantised, late in training",
                                     .citation = "Jacob et al. 2017, arXiv:1712.05877; Bengio et al. 2013, "
                                                 "arXiv:1308.3432"};

  Text mode{this, "mode", "hard", "rounding, or a smooth step that hardens", {"hard", "tanh"}};
  Number threshold{this, "threshold", 0.15, "learning-rate scale below which it begins", range(1e-6, 2)};
  Integer largest{this, "range", 31, "largest code R; 31 for int6, 127 for int8", range(1, 32767)};
  Number first{this, "temperature_first", 1.0, "tanh: T where it begins", range(1e-3, 1000)};
  Number last{this, "temperature_last", 0.05, "tanh: T where the scale is 0", range(1e-3, 1000)};
  Text weights{this, "weights", "*", "paths of the weights it acts on: patterns with * and ?, separated by blanks"};
  Flag as_published{this, "as_published", false, "the switch is compiled away, and nothing ever happens"};

  void configure() override {
    if (weights.value().find_first_not_of(' ') == std::string::npos) {
      throw Failure("\"weights\" is empty; give patterns of paths, such as \"blocks.*\", or leave the block out");
    }
  }

  void attach(Hooks& hooks) override { hooks.chain("weight", &LateQat::quantise); }

  Value quantise(Graph& g, Value w) const {  // w [m, n]
    if (as_published || !g.training() || w.rank() != 2 || !acts_on(g.part())) return w;
    if (!g.scale_below(threshold)) return w;
    const auto R = static_cast<double>(largest.value());
    const Value s = g.stop_gradient(g.max(g.reduce_max(g.abs(w), {1}, true), 1.0) / R);
    const Value u = w / s;
    const Value n = g.stop_gradient(g.round(u));
    if (mode == "hard") return w + g.stop_gradient(s * g.clamp(n, -R - 1, R) - w);
    const Value soft = n + 0.5 * g.tanh((u - n) / temperature(g));
    return s * (soft + g.stop_gradient(g.clamp(soft, -R - 1, R) - soft));
  }

  [[nodiscard]] double temperature_at(double scale) const {
    const double over = std::clamp(1 - scale / threshold, 0.0, 1.0);
    return first * std::pow(last / first, over);
  }

 private:
  [[nodiscard]] Value temperature(Graph& g) const {
    return g.step_scalar("temperature", [this](const Step& step) { return temperature_at(step.scale); });
  }

  [[nodiscard]] bool acts_on(const std::string& path) const {
    std::istringstream patterns(weights.value());
    for (std::string pattern; patterns >> pattern;) {
      if (fnmatch(pattern.c_str(), path.c_str(), 0) == 0) return true;
    }
    return false;
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(LateQat)
