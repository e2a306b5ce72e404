// Polynomial-decay averaging: a mean of all weights so far in which late ones count for more (Shamir & Zhang 2013,
// "Stochastic Gradient Descent for Non-smooth Optimization", arXiv:1212.1824).
//
//   after step t = 1, 2, ...:   r = (eta + 1) / (t + eta),   average <- (1 - r) average + r weights
//
// eta = 0 is the plain mean; the larger eta, the shorter the memory, always a share of the run: no horizon to tune.
#include <caddie/plugin.hpp>

namespace {

using namespace caddie;

struct PolyAverage : Averager {
  static constexpr Identity identity{.id = "poly-average",
                                     .summary = "mean of all weights so far, late ones with more weight",
                                     .citation = "Shamir & Zhang 2013, arXiv:1212.1824"};

  Number eta{this, "eta", 8, "how much more late weights count; 0: all alike", range(0, 1e6)};

  void accumulate(Graph& g, const std::string&, Value parameter) const override {
    const Value rate = g.step_scalar("rate", [this](const Step& step) {
      return (eta + 1) / (static_cast<double>(step.step + 1) + eta);
    });
    const Value average = g.state("average", parameter.shape(), Init::copy_of(parameter));
    g.set_state(average, average + rate * (parameter - average));
  }

  // The average is used as it is; one of an averager before this one is left.
  Value finish(Graph& g, const std::string&, Value parameter, Value /*current*/) const override {
    return g.state("average", parameter.shape(), Init::copy_of(parameter));
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(PolyAverage)
