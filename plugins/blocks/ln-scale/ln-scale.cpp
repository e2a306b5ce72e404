// LN scale: the deeper a layer, the smaller what its sub-layers read, so that late layers do not drown what early ones
// wrote (Sun et al. 2025, "The Curse of Depth", arXiv:2502.05795; openai/parameter-golf PR #315).
//
//   n <- n / sqrt(layer + 1)      in front of attention and in front of the MLP
//
// Layers count from 0 and are physical ones: a layer that runs again has the same factor. The final norm is not scaled.
#include <caddie/plugin.hpp>

#include <cmath>

namespace {

using namespace caddie;

struct LnScale : Block {
  static constexpr Identity identity{.id = "ln-scale",
                                     .summary = "what a layer's sub-layers read, divided by the root of its depth",
                                     .citation = "Sun et al. 2025, arXiv:2502.05795; openai/parameter-golf PR #315"};

  void attach(Hooks& hooks) override {
    hooks.chain("attn.in", &LnScale::scale);
    hooks.chain("mlp.in", &LnScale::scale);
  }

  Value scale(Graph& g, Value n) const { return n / std::sqrt(g.layer() + 1.0); }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(LnScale)
