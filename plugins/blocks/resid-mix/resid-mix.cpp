// Residual mix: every layer may read the model's input again, and says channel by channel how much of its sub-layers'
// output joins the stream (x0 mixing as in modded-nanogpt; scales: Touvron et al. 2021, "LayerScale",
// arXiv:2103.17239).
//
//   layer.mix:  x <- a * x + b * x0,   a = 1, b = 0 at the start, [D] each, kept as one tensor [2, D]
//   residual:   x <- x + s * delta,    s = 1 at the start, [D], one for attention and one for the MLP
//
// The scales get their first gradient once the sub-layers' outputs are not zero any more.
#include <caddie/plugin.hpp>

#include <vector>

namespace {

using namespace caddie;

struct ResidMix : Block {
  static constexpr Identity identity{
      .id = "resid-mix",
      .summary = "learned mix of the stream with the model's input, learned scales of sub-layers",
      .citation = "modded-nanogpt; Touvron et al. 2021, arXiv:2103.17239"};

  void attach(Hooks& hooks) override {
    hooks.chain("layer.mix", &ResidMix::mix);
    hooks.provide("residual", &ResidMix::join);
  }

  Value mix(Graph& g, Value x) const {  // x [B, T, D]
    const int64_t D = x.dim(-1);
    std::vector<double> start(static_cast<std::size_t>(2 * D), 0.0);
    for (int64_t i = 0; i < D; ++i) start[static_cast<std::size_t>(i)] = 1;
    const Value weights = g.parameter("mix", "scalar", {2, D}, Init::list(std::move(start)));
    return x * weights.slice(0, 0, 1).reshape({D}) + g.wire("x0") * weights.slice(0, 1, 2).reshape({D});
  }

  Value join(Graph& g, Value x, Value delta) const {
    const std::string name = g.part() + "_scale";  // attn_scale, mlp_scale
    return x + g.parameter(name.c_str(), "scalar", {x.dim(-1)}, Init::ones()) * delta;
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(ResidMix)
