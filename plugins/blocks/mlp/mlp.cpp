// The MLP of a layer: up, an activation that another block provides, down (Vaswani et al. 2017, arXiv:1706.03762).
//
//   out = act(n Wup^T) Wdown^T,   Wup [mult*D, D], Wdown [D, mult*D] starts at zero
//
// A zero Wdown makes the layer start as the identity: Wup gets its first gradient in the second step.
#include <caddie/plugin.hpp>

#include <cmath>

namespace {

using namespace caddie;

struct Mlp : Block {
  static constexpr Identity identity{.id = "mlp",
                                     .summary = "up, activation, down; the activation is a block of its own",
                                     .citation = "Vaswani et al. 2017, arXiv:1706.03762"};

  Number mult{this, "mult", 4, "hidden channels over model channels", range(0.01, 1000)};

  void attach(Hooks& hooks) override { hooks.provide("mlp", &Mlp::run); }

  Value run(Graph& g, Value n) const {  // n [B, T, D] -> [B, T, D]
    const int64_t D = n.dim(-1);
    const Value hidden = g.hook("mlp.act", {g.linear(n, "up.weight", width(D), Init::fan_in(D))});
    return g.linear(hidden, "down.weight", D, Init::zeros());
  }

 private:
  [[nodiscard]] int64_t width(int64_t D) const {
    const double wanted = mult * static_cast<double>(D);
    const double whole = std::round(wanted);
    if (whole < 1 || std::abs(wanted - whole) > 1e-6) {
      throw Failure("\"mult\" times the model's " + std::to_string(D) + " channels must be a whole number, it is " +
                    std::to_string(wanted));
    }
    return static_cast<int64_t>(whole);
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(Mlp)
