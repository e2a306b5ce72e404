// Gradient descent with momentum (Polyak 1964; Sutskever et al. 2013, proceedings.mlr.press/v28/sutskever13).
//
//   v <- mu v + g
//   p <- p - lr v,   or p - lr (g + mu v) with Nesterov's look ahead
#include <caddie/plugin.hpp>

namespace {

using namespace caddie;

struct Sgd : Optimizer {
  static constexpr Identity identity{
      .id = "sgd", .summary = "gradient descent with momentum", .citation = "Polyak 1964; Sutskever et al. 2013"};

  Number lr{this, "lr", 0.01, "learning rate", range(0, 1000)};
  Number momentum{this, "momentum", 0.9, "mu; 0: plain gradient descent", range(0, 1)};
  Flag nesterov{this, "nesterov", false, "look ahead with the momentum"};

  Value update(Graph& g, const Bank&, Value parameter, Value gradient, Value scale) const override {
    return parameter - lr * scale * direction(g, gradient);
  }

 private:
  [[nodiscard]] Value direction(Graph& g, Value gradient) const {
    if (momentum.value() == 0) return gradient;
    const Value old_velocity = g.state("velocity", gradient.shape());
    const Value velocity = momentum * old_velocity + gradient;
    g.set_state(old_velocity, velocity);
    return nesterov ? gradient + momentum * velocity : velocity;
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(Sgd)
