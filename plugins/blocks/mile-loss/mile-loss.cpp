// MiLe loss: tokens of which the model is certain count less (Su et al. 2024, "MiLe Loss", arXiv:2310.19531;
// openai/parameter-golf PR #703, #1130).
//
//   weight = max((1 - e^-H)^gamma_t, floor)      H the entropy of the model's distribution, in nats; no gradient
//
// gamma_t rises from 0 to gamma while the share `peak` of the run passes, and falls to 0 at its end: both ends are
// plain cross-entropy. The weights are not renormalised. As published gamma_t is one step late: "lag": 1.
#include <caddie/plugin.hpp>

#include <algorithm>

namespace {

using namespace caddie;

struct MileLoss : Block {
  static constexpr Identity identity{.id = "mile-loss",
                                     .summary = "less loss weight for tokens of which the model is certain",
                                     .citation = "Su et al. 2024, arXiv:2310.19531; openai/parameter-golf PR #1130"};

  Number gamma{this, "gamma", 0.75, "largest exponent", range(0, 100)};
  Number floor{this, "floor", 0.2, "least weight of a token", range(0, 1)};
  Number peak{this, "peak", 0.4, "share of the run at which the exponent is largest", range(0, 1)};
  Integer lag{this, "lag", 0, "steps by which the exponent is late; in the first of them it is gamma", range(0, 1)};

  void attach(Hooks& hooks) override { hooks.chain("loss.weight", &MileLoss::weigh); }

  Value weigh(Graph& g, Value weight, Value /*nll*/, Value /*lse*/, Value entropy) const {  // [B, T] each
    if (!g.training()) return weight;
    const Value certain = g.exp(-g.max(entropy, 0.0));  // 1 for a sure token, and never more by rounding
    return weight * g.stop_gradient(g.max(g.pow(1 - certain, exponent(g)), floor));
  }

  [[nodiscard]] double exponent_at(double over) const {
    if (over < peak) return gamma * over / peak;
    return peak < 1 ? std::max(gamma * (1 - (over - peak) / (1 - peak)), 0.0) : gamma.value();
  }

 private:
  [[nodiscard]] Value exponent(Graph& g) const {
    const Value now = g.step_scalar("gamma", [this](const Step& step) { return exponent_at(step.fraction); });
    if (lag == 0) return now;
    const Value before = g.state("gamma", {}, Init::constant(gamma), CADDIE_F32, Scope::model);
    g.set_state(before, now);
    return before;
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(MileLoss)
