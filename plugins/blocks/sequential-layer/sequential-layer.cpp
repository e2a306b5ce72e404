// The usual transformer layer: attention, then the MLP, each on a normalised copy of the stream that it adds to
// (Vaswani et al. 2017, arXiv:1706.03762; norm before the sub-layer: Xiong et al. 2020, arXiv:2002.04745).
//
//   m  = mix(x)
//   x1 = residual(m,  attn(norm(m)))
//   x2 = residual(x1, mlp(norm(x1)))
//
// The stream passes the hook residual.in before a sub-layer's output joins it.
//
// It computes nothing itself: it opens the hooks that others fill.
#include <caddie/plugin.hpp>

namespace {

using namespace caddie;

struct SequentialLayer : Block {
  static constexpr Identity identity{
      .id = "sequential-layer",
      .summary = "attention, then the MLP, each normalised first and added to the stream",
      .citation = "Vaswani et al. 2017, arXiv:1706.03762; Xiong et al. 2020, arXiv:2002.04745"};

  void attach(Hooks& hooks) override { hooks.provide("layer", &SequentialLayer::run); }

  Value run(Graph& g, Value x) const {  // x [B, T, D]
    const Value m = g.hook("layer.mix", {x});
    const Value n = g.hook("attn.in", {g.hook("norm", {m}, "attn")});
    const Value attended = g.hook("attn.out", {g.hook("attn", {n}), n});
    const Value x1 = g.hook("residual", {g.hook("residual.in", {m}, "attn"), attended}, "attn");

    const Value n1 = g.hook("mlp.in", {g.hook("norm", {x1}, "mlp")});
    const Value hidden = g.hook("mlp.out", {g.hook("mlp", {n1}), n1});
    return g.hook("residual", {g.hook("residual.in", {x1}, "mlp"), hidden}, "mlp");
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(SequentialLayer)
