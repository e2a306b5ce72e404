// Sparse attention gate: every head says, token by token, how much of it is heard; the gate reads a few channels of the
// token, moves slowly and starts half open (openai/parameter-golf PR #1787; its scale of 0.5: PR #1855).
//
//   y_h <- g_h * y_h,   g = sigmoid(scale * W n[0:window]),   W [H, window] = 0, so that g = 0.5 at the start
//
// n is the input of attention, normalised and scaled. The window counts channels, not tokens. Beside attn-out-gate,
// whose gates reach 2, it can only close heads.
#include <caddie/plugin.hpp>

namespace {

using namespace caddie;

struct SparseAttnGate : Block {
  static constexpr Identity identity{
      .id = "sparse-attn-gate",
      .summary = "a gate a head from a few channels of the token, half open at the start",
      .citation = "openai/parameter-golf PR #1787, PR #1855"};

  Integer window{this, "window", 12, "how many channels of the token the gates are computed from", at_least(1)};
  Number scale{this, "scale", 0.5, "factor in front of W n", range(-1000, 1000)};

  void attach(Hooks& hooks) override { hooks.chain("attn.y", &SparseAttnGate::gate, 100); }

  Value gate(Graph& g, Value y, Value /*v*/, Value n) const {  // y [B, T, H, P], n [B, T, D]
    const auto [B, T, H, P] = y.dims<4>();
    if (window > n.dim(-1)) {
      throw Failure("\"window\" is " + std::to_string(window.value()) + ", but a token has only " +
                    std::to_string(n.dim(-1)) + " channels: set it to that or less");
    }
    const Value weight = g.parameter("weight", "scalar", {H, window}, Init::zeros());
    const Value open = g.sigmoid(scale * g.matmul(n.slice(-1, 0, window), weight));  // [B, T, H]
    return y * open.reshape({B, T, H, 1});
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(SparseAttnGate)
