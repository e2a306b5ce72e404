// Layer norm with a weight and a bias of its own at every place that is normalised (Ba et al. 2016, arXiv:1607.06450).
//
//   y = (x - mean(x)) / sqrt(var(x) + eps) * weight + bias   over the last axis, var without Bessel's correction
//
// weight starts at 1, bias at 0. GPT-2 has none behind the embedding: "embed": false.
#include <caddie/plugin.hpp>

namespace {

using namespace caddie;

struct LayerNorm : Block {
  static constexpr Identity identity{.id = "layer-norm",
                                     .summary = "layer norm with weight and bias, at every place of the model",
                                     .citation = "Ba et al. 2016, arXiv:1607.06450"};

  Number eps{this, "eps", 1e-5, "added to the variance", range(0, 1)};
  Flag embed{this, "embed", true, "also behind the embedding; GPT-2 has none there"};

  void attach(Hooks& hooks) override { hooks.provide("norm", &LayerNorm::normalise); }

  Value normalise(Graph& g, Value x) const {
    const std::string place = g.part();  // embed, attn, mlp or head
    if (place == "embed" && !embed) return x;
    const Lengths channels = {x.dim(-1)};
    const Value weight = g.parameter((place + ".weight").c_str(), "scalar", channels, Init::ones());
    const Value bias = g.parameter((place + ".bias").c_str(), "scalar", channels, Init::zeros());
    return g.layer_norm(x, weight, bias, eps);
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(LayerNorm)
