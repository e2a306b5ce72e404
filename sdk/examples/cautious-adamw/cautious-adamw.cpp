// Cautious AdamW: elements whose step disagrees with the sign of the gradient stay (Liang et al. 2024, "Cautious
// Optimizers: Improving Training with One Line of Code", arXiv:2411.16085).
//
//   m <- b1 m + (1 - b1) g        v <- b2 v + (1 - b2) g^2        step k = 1, 2, ...
//   u = (m / (1 - b1^k)) / (sqrt(v / (1 - b2^k)) + eps)
//   c = 1 where u g > 0, else 0;  c <- c n / (number of ones + 1)       n elements of one tensor
//   p <- p - lr (c u + decay p)
#include <caddie/plugin.hpp>

#include <cmath>

namespace {

using namespace caddie;

struct CautiousAdamw : Optimizer {
  static constexpr Identity identity{.id = "cautious-adamw",
                                     .summary = "AdamW that only moves where step and gradient agree",
                                     .citation = "Liang et al. 2024, arXiv:2411.16085"};

  Number lr{this, "lr", 0.001, "learning rate", range(0, 1000)};
  Number beta1{this, "beta1", 0.9, "decay of the mean of gradients", range(0, 0.9999999)};
  Number beta2{this, "beta2", 0.95, "decay of the mean of squared gradients", range(0, 0.9999999)};
  Number eps{this, "eps", 1e-8, "added to the root", range(1e-30, 1)};
  Number decay{this, "decay", 0, "decoupled weight decay", range(0, 100)};

  // parameter and gradient [N, ...]: N tensors of one shape, each with a mask of its own; scale is the schedule's
  Value update(Graph& g, const Bank&, Value parameter, Value gradient, Value scale) const override {
    const Value m = g.state("mean", gradient.shape());
    const Value v = g.state("square", gradient.shape());
    const Value mean = beta1 * m + (1 - beta1) * gradient;
    const Value square = beta2 * v + (1 - beta2) * gradient * gradient;
    g.set_state(m, mean);
    g.set_state(v, square);
    const Value u = mean * unbias(g, "unbias1", beta1) / (g.sqrt(square * unbias(g, "unbias2", beta2)) + eps);
    return parameter - lr * scale * (cautious(g, u, gradient) * u + decay * parameter);
  }

 private:
  static Value cautious(Graph& g, Value u, Value gradient) {
    const Value agrees = g.lt(g.constant(0), u * g.sign(gradient));  // [N, ...] of 0 and 1
    Lengths axes;
    for (int64_t axis = 1; axis < u.rank(); ++axis) axes.push_back(axis);
    double elements = 1;
    for (const int64_t axis : axes) elements *= static_cast<double>(u.dim(axis));
    if (axes.empty()) return agrees * elements / (agrees + 1);
    return agrees * (elements / (g.sum(agrees, axes, true) + 1));
  }
  static Value unbias(Graph& g, const char* name, double beta) {
    return g.step_scalar(
        name, [beta](const Step& step) { return 1 / (1 - std::pow(beta, static_cast<double>(step.step + 1))); });
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(CautiousAdamw)
