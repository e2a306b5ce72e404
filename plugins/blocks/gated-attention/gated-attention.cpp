// Gated attention: every head says, token by token, how much of it is heard; the gate reads the whole token (Qiu et al.
// 2025, arXiv:2505.06708).
//
//   y_h <- g_h * y_h,   g = sigmoid(W n + b),   W [H, D] ~ N(0, init_std^2), b [H] = bias_init, or no b at all
//
// n is the input of attention, normalised and scaled. Two forms are known from openai/parameter-golf: PR #1736 has no
// bias, so that heads start half open; PR #549 starts with W = 0 and b = 4, so that they start at 0.982:
// "init_std": 0, "bias": true.
#include <caddie/plugin.hpp>

namespace {

using namespace caddie;

struct GatedAttention : Block {
  static constexpr Identity identity{.id = "gated-attention",
                                     .summary = "a gate a head, computed from the whole token",
                                     .citation = "Qiu et al. 2025, arXiv:2505.06708"};

  Number init_std{this, "init_std", 0.01, "standard deviation of the initial weight", range(0, 10)};
  Flag bias{this, "bias", false, "every head has a number that is added before the sigmoid"};
  Number bias_init{this, "bias_init", 4.0, "with bias: that number at the start", range(-100, 100)};

  void attach(Hooks& hooks) override { hooks.chain("attn.y", &GatedAttention::gate, 100); }

  Value gate(Graph& g, Value y, Value /*v*/, Value n) const {  // y [B, T, H, P], n [B, T, D]
    const auto [B, T, H, P] = y.dims<4>();
    Value open = g.matmul(n, g.parameter("weight", "scalar", {H, n.dim(-1)}, Init::normal(0, init_std)));  // [B, T, H]
    if (bias) open = open + g.parameter("bias", "scalar", {H}, Init::constant(bias_init));
    return y * g.sigmoid(open).reshape({B, T, H, 1});
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(GatedAttention)
