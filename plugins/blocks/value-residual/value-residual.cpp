// Value residual: later layers attend over the first layer's values too, which keep what a token is (Zhou et al. 2024,
// "Value Residual Learning", arXiv:2410.17897).
//
//   scaled-first:  v <- v + scale * v_first            scale = 0 at the start (openai/parameter-golf PR #1033)
//   mix:           v <- m_0 * v_first + m_1 * v        m = (0.5, 0.5) at the start (PR #549)
//
// v_first is v of layer 0's first visit, kept as the wire "v_first". That visit reads x0, so with x0 mixing its v is
// W_v s_0 rms((a_0 + b_0) x0): what PR #1033 computes a second time ahead of the layers. Phase -10 takes it before
// value embeddings join, which PR #1033 leaves out of v_first as well. Layer 0 has nothing to add and no parameter.
#include <caddie/plugin.hpp>

namespace {

using namespace caddie;

struct ValueResidual : Block {
  static constexpr Identity identity{.id = "value-residual",
                                     .summary = "the first layer's values join those of later layers",
                                     .citation = "Zhou et al. 2024, arXiv:2410.17897"};

  Text mode{this, "mode", "scaled-first", "how the first values join the layer's own", {"scaled-first", "mix"}};
  Number scale_init{this, "scale_init", 0.0, "scaled-first: scale of every layer at the start", range(-1000, 1000)};
  Numbers mix_init{this,
                   "mix_init",
                   {0.5, 0.5},
                   "mix: weights of the first values and of the layer's own at the start",
                   range(-1000, 1000)};

  void configure() override {
    if (mix_init.value().size() != 2) {
      throw Failure("\"mix_init\" holds " + std::to_string(mix_init.value().size()) +
                    " numbers, two are needed: the weights of the first values and of the layer's own");
    }
  }

  void attach(Hooks& hooks) override { hooks.chain("attn.v", &ValueResidual::join, -10); }

  Value join(Graph& g, Value v) const {  // v [B, T, K, P]
    const Value first = g.wire_or_none("v_first");
    if (g.layer() == 0) {
      if (!first) g.set_wire("v_first", v);
      return v;
    }
    if (!first) {
      throw Failure("value-residual needs the values of layer 0, which has not run before layer " +
                    std::to_string(g.layer()) + ": let \"layers\" name layer 0 too, and run it first");
    }
    if (mode == "scaled-first") return v + g.parameter("scale", "scalar", {1}, Init::constant(scale_init)) * first;
    const Value mix = g.parameter("mix", "scalar", {2}, Init::list(mix_init.value()));
    return mix.slice(0, 0, 1) * first + mix.slice(0, 1, 2) * v;
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(ValueResidual)
