// @ID@: the sign of a momentum as the direction of every step (Lion: Chen et al. 2023, arXiv:2302.06675).
//
//   p <- p - lr (sign(b1 m + (1 - b1) g) + decay p)
//   m <- b2 m + (1 - b2) g
#include <caddie/plugin.hpp>

namespace {

using namespace caddie;

struct @CLASS@ : Optimizer {
  static constexpr Identity identity{
      .id = "@ID@", .summary = "steps along the sign of a momentum", .citation = "Chen et al. 2023, arXiv:2302.06675"};

  Number lr{this, "lr", 0.001, "learning rate: how far every element moves", range(0, 1000)};
  Number beta1{this, "beta1", 0.9, "share of the momentum in the direction", range(0, 1)};
  Number beta2{this, "beta2", 0.99, "share of the momentum that a step keeps", range(0, 1)};
  Number decay{this, "decay", 0, "decoupled weight decay", range(0, 100)};

  // parameter and gradient [N, ...]: N tensors of one shape; scale is the schedule's
  Value update(Graph& g, const Bank&, Value parameter, Value gradient, Value scale) const override {
    const Value m = g.state("momentum", gradient.shape());
    const Value direction = g.sign(beta1 * m + (1 - beta1) * gradient);
    g.set_state(m, beta2 * m + (1 - beta2) * gradient);
    return parameter - lr * scale * (direction + decay * parameter);
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(@CLASS@)
