// @ID@: the plain mean of the weights over the last part of the run (tail averaging: Jain et al. 2018,
// arXiv:1610.03774).
//
//   from the share `start` of the run on:   sum <- sum + weights,  count <- count + 1
//   at the end:                             sum / count
#include <caddie/plugin.hpp>

namespace {

using namespace caddie;

struct @CLASS@ : Averager {
  static constexpr Identity identity{.id = "@ID@",
                                     .summary = "mean of the weights over the last part of the run",
                                     .citation = "Jain et al. 2018, arXiv:1610.03774"};

  Number start{this, "start", 0.8, "share of the run that is over when averaging begins", range(0, 0.999)};

  void accumulate(Graph& g, const std::string&, Value parameter) const override {
    const Value on = g.step_scalar("on", [this](const Step& step) { return step.fraction >= start ? 1.0 : 0.0; });
    const Value sum = g.state("sum", parameter.shape());
    const Value count = g.state("count", {});
    g.set_state(sum, sum + on * parameter);
    g.set_state(count, count + on);
  }

  // `current` is what an averager before this one made, or the parameter itself.
  Value finish(Graph& g, const std::string&, Value parameter, Value current) const override {
    const Value count = g.state("count", {});
    const Value mean = g.state("sum", parameter.shape()) / g.max(count, 1);
    return g.where(g.lt(g.constant(0), count), mean, current);
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(@CLASS@)
