// AdamW: steps in units of the gradient's own size, with weight decay beside them (Kingma & Ba 2014, arXiv:1412.6980;
// Loshchilov & Hutter 2017, arXiv:1711.05101).
//
//   m <- b1 m + (1 - b1) g        v <- b2 v + (1 - b2) g^2        step k = 1, 2, ...
//   p <- (1 - lr wd) p - lr (m / (1 - b1^k)) / (sqrt(v / (1 - b2^k)) + eps)
#include <caddie/plugin.hpp>

#include <cmath>

namespace {

using namespace caddie;

struct AdamW : Optimizer {
  static constexpr Identity identity{
      .id = "adamw",
      .summary = "Adam with decoupled weight decay",
      .citation = "Kingma & Ba 2014, arXiv:1412.6980; Loshchilov & Hutter 2017, arXiv:1711.05101"};

  Number lr{this, "lr", 0.001, "learning rate", range(0, 1000)};
  Number beta1{this, "beta1", 0.9, "decay of the mean of gradients", range(0, 0.9999999)};
  Number beta2{this, "beta2", 0.95, "decay of the mean of squared gradients", range(0, 0.9999999)};
  Number eps{this, "eps", 1e-8, "added to the root", range(1e-30, 1)};
  Number weight_decay{this, "weight_decay", 0.0, "decoupled weight decay, times the learning rate", range(0, 1000)};

  Value update(Graph& g, const Bank&, Value parameter, Value gradient, Value scale) const override {
    const Value old_mean = g.state("mean", parameter.shape());
    const Value old_square = g.state("square", parameter.shape());
    const Value mean = beta1 * old_mean + (1 - beta1) * gradient;
    const Value square = beta2 * old_square + (1 - beta2) * gradient * gradient;
    g.set_state(old_mean, mean);
    g.set_state(old_square, square);

    const Value size = g.sqrt(square * unbias(g, "unbias2", beta2)) + eps;
    const Value rate = lr * scale;
    return parameter * (1 - weight_decay * rate) - rate * (mean * unbias(g, "unbias1", beta1)) / size;
  }

 private:
  // Running means start at zero: after k steps they hold the share 1 - beta^k of what they stand for.
  static Value unbias(Graph& g, const char* name, double beta) {
    return g.step_scalar(
        name, [beta](const Step& step) { return 1 / (1 - std::pow(beta, static_cast<double>(step.step + 1))); });
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(AdamW)
