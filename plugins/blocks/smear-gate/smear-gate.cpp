// SmearGate: every token takes a little of the token before it, so that bigrams need no attention head.
//
//   v1:  y_t = (1 - g) * x_t + g * x_{t-1},                       g = sigmoid(gate), one number a channel
//   v2:  y_t = x_t + m_t * lambda * sigmoid(w . x_t[0:window]) * x_{t-1}
//        m_t = 0 where token t begins a document, else 1 (with bos_mask)
//
// x_{-1} = 0 in both. v1 sits behind the norm (openai/parameter-golf PR #388), v2 in front of it (modded-nanogpt; PR
// #1667). The window of v2 counts channels, not tokens. Without the mask the last token of a document leaks into the
// next document of a packed row (PR #1855). lambda starts at zero, so that v2 starts as the identity: w gets its first
// gradient in the second step.
#include <caddie/plugin.hpp>

namespace {

using namespace caddie;

struct SmearGate : Block {
  static constexpr Identity identity{.id = "smear-gate",
                                     .summary = "every token takes a gated part of the token before it",
                                     .citation = "modded-nanogpt; openai/parameter-golf PR #1667, PR #1855"};

  Text variant{this, "variant", "v2", "v1: one gate a channel; v2: one gate a token, computed from it", {"v1", "v2"}};
  Number init{this, "init", 0.0, "v1: gate of every channel at the start, before the sigmoid", range(-100, 100)};
  Integer window{this, "window", 12, "v2: how many channels of the token its gate is computed from", at_least(1)};
  Flag bos_mask{this, "bos_mask", true, "v2: a token that begins a document takes nothing from the one before it"};

  // One attachment in each variant, so that a manifest can move it with "at".
  void attach(Hooks& hooks) override {
    if (variant == "v1") {
      hooks.chain("stream.in", &SmearGate::blend);
    } else {
      hooks.chain("embed.out", &SmearGate::add_previous, 100);  // after all that is added to the embeddings
    }
  }

  Value blend(Graph& g, Value x) const {  // x [B, T, D]
    const Value gate = g.sigmoid(g.parameter("gate", "scalar", {x.dim(-1)}, Init::constant(init), Scope::model));
    return (1 - gate) * x + gate * x.shift(1);
  }

  Value add_previous(Graph& g, Value x) const {  // x [B, T, D]
    const auto [B, T, D] = x.dims<3>();
    if (window > D) {
      throw Failure("\"window\" is " + std::to_string(window.value()) + ", but a token has only " + std::to_string(D) +
                    " channels: set it to that or less");
    }
    const Value weight = g.parameter("weight", "scalar", {1, window}, Init::zeros(), Scope::model);
    const Value lambda = g.parameter("lambda", "scalar", {1}, Init::zeros(), Scope::model);
    Value gate = lambda * g.sigmoid(g.matmul(x.slice(-1, 0, window), weight));  // [B, T, 1]
    if (bos_mask) gate = gate * inside_document(g).reshape({B, T, 1});
    return x + gate * x.shift(1);
  }

 private:
  [[nodiscard]] static Value inside_document(Graph& g) {  // [B, T]
    return 1 - g.eq(g.wire("tokens"), g.integer(g.info().bos));
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(SmearGate)
