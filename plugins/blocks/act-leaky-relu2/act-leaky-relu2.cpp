// Squared leaky ReLU: as relu^2, but negative inputs keep a gradient (openai/parameter-golf PR #493).
//
//   act(u) = u^2 where u > 0, (slope*u)^2 elsewhere
#include <caddie/plugin.hpp>

namespace {

using namespace caddie;

struct LeakyRelu2 : Block {
  static constexpr Identity identity{.id = "act-leaky-relu2",
                                     .summary = "the MLP's activation: the square of a leaky ReLU",
                                     .citation = "openai/parameter-golf PR #493"};

  Number slope{this, "slope", 0.5, "slope of the leaky ReLU below zero", range(0, 1)};

  void attach(Hooks& hooks) override { hooks.provide("mlp.act", &LeakyRelu2::activate); }

  Value activate(Graph& g, Value u) const {
    const Value leaky = g.max(u, slope * u);  // right because slope <= 1
    return leaky * leaky;
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(LeakyRelu2)
