// GEGLU: an MLP whose hidden channels are gated by others (Shazeer 2020, "GLU Variants Improve Transformer",
// arXiv:2002.05202).
//
//   out = (gelu(n Wg^T) * n Wu^T) Wd^T        Wg, Wu [mult D, D], Wd [D, mult D] starts at zero
//   gelu(x) = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2      (Hendrycks & Gimpel 2016, arXiv:1606.08415)
//
// Three matrices in place of two: mult = 4/3 has the parameters of a plain MLP of mult = 2.
#include <caddie/plugin.hpp>

#include <algorithm>
#include <cmath>

namespace {

using namespace caddie;

struct Geglu : Block {
  static constexpr Identity identity{.id = "geglu",
                                     .summary = "an MLP whose hidden channels are gated through GELU",
                                     .citation = "Shazeer 2020, arXiv:2002.05202"};

  Number mult{this, "mult", 2.6666666666666665, "hidden channels over model channels, rounded", range(0.01, 1000)};

  void attach(Hooks& hooks) override { hooks.provide("mlp", &Geglu::run); }

  Value run(Graph& g, Value n) const {  // n [B, T, D] -> [B, T, D]
    const int64_t D = n.dim(-1);
    const int64_t hidden = std::max<int64_t>(1, std::llround(mult * static_cast<double>(D)));
    const Value gate = gelu(g, g.linear(n, "gate.weight", hidden, Init::fan_in(D)));
    const Value up = g.linear(n, "up.weight", hidden, Init::fan_in(D));
    return g.linear(gate * up, "down.weight", D, Init::zeros());
  }

 private:
  static Value gelu(Graph& g, Value x) {
    return 0.5 * x * (1 + g.tanh(std::sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(Geglu)
