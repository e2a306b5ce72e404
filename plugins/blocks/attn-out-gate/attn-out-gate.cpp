// Attention output gate: every head says, token by token, how much of it is heard; the gate reads a few channels of the
// token and starts open (openai/parameter-golf PR #1667).
//
//   y_h <- g_h * y_h,   g = 2 sigmoid(W n[0:window]),   W [H, window] = 0, so that g = 1 at the start
//
// n is the input of attention, normalised and scaled. The window counts channels, not tokens.
#include <caddie/plugin.hpp>

namespace {

using namespace caddie;

struct AttnOutGate : Block {
  static constexpr Identity identity{.id = "attn-out-gate",
                                     .summary = "a gate a head from a few channels of the token, open at the start",
                                     .citation = "openai/parameter-golf PR #1667"};

  Integer window{this, "window", 12, "how many channels of the token the gates are computed from", at_least(1)};

  void attach(Hooks& hooks) override { hooks.chain("attn.y", &AttnOutGate::gate, 100); }

  Value gate(Graph& g, Value y, Value /*v*/, Value n) const {  // y [B, T, H, P], n [B, T, D]
    const auto [B, T, H, P] = y.dims<4>();
    if (window > n.dim(-1)) {
      throw Failure("\"window\" is " + std::to_string(window.value()) + ", but a token has only " +
                    std::to_string(n.dim(-1)) + " channels: set it to that or less");
    }
    const Value weight = g.parameter("weight", "scalar", {H, window}, Init::zeros());
    const Value open = 2 * g.sigmoid(g.matmul(n.slice(-1, 0, window), weight));  // [B, T, H]
    return y * open.reshape({B, T, H, 1});
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(AttnOutGate)
