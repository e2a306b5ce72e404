// Stochastic weight averaging: the mean of snapshots taken while the learning rate is low (Izmailov et al. 2018,
// arXiv:1803.05407; "tight": only below a fifth of the learning rate, openai/parameter-golf PR #374).
//
//   every `every` steps, where the schedule's scale is below start_scale:   sum <- sum + weights,   count <- count + 1
//   at the end, if there are two snapshots or more:   weights <- (1 - blend) * current + blend * sum / count
//
// `current` is what the averager before this one made: blend = 0.5 after ema is the mean of both.
#include <caddie/plugin.hpp>

namespace {

using namespace caddie;

struct Swa : Averager {
  static constexpr Identity identity{.id = "swa",
                                     .summary = "mean of snapshots taken while the learning rate is low",
                                     .citation = "Izmailov et al. 2018, arXiv:1803.05407"};

  Integer every{this, "every", 50, "steps between two snapshots", at_least(1)};
  Number start_scale{this, "start_scale", 0.2, "snapshots are taken where the schedule's scale is below this",
                     range(0, 2)};
  Number blend{this, "blend", 1.0, "share of the mean in the final weights", range(0, 1)};

  void accumulate(Graph& g, const std::string&, Value parameter) const override {
    const Value take = g.step_scalar("take", [this](const Step& step) {
      return step.scale < start_scale && (step.step + 1) % every == 0 ? 1.0 : 0.0;
    });
    const Value sum = g.state("sum", parameter.shape());
    const Value count = g.state("count", {});
    g.set_state(sum, sum + take * parameter);
    g.set_state(count, count + take);
  }

  Value finish(Graph& g, const std::string&, Value parameter, Value current) const override {
    if (blend.value() == 0) return current;
    const Value count = g.state("count", {});
    const Value mean = g.state("sum", parameter.shape()) / g.max(count, 1);
    const Value mixed = (1 - blend) * current + blend * mean;
    return g.where(g.lt(g.constant(1), count), mixed, current);
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(Swa)
