// Residual lambdas: the stream itself is scaled before a sub-layer's output joins it, so that a model may forget or
// amplify what came before (modded-nanogpt; openai/parameter-golf PR #1130).
//
//   x <- lambda[l, 0] x + attention        x <- lambda[l, 1] x + MLP        lambda = sqrt(1.1) at the start
//
// At the start the stream grows by 1.1 a layer. The parameters are used at each visit of a layer and are one tensor of
// the model, which an optimizer claims with its own learning rate; PR #1130 never stepped it.
#include <caddie/plugin.hpp>

namespace {

using namespace caddie;

struct ResidLambdas : Block {
  static constexpr Identity identity{.id = "resid-lambdas",
                                     .summary = "learned scales of the stream, one for each sub-layer",
                                     .citation = "modded-nanogpt; openai/parameter-golf PR #1130"};

  Number init{this, "init", 1.0488088481701516, "every scale at the start", range(-1000, 1000)};

  void attach(Hooks& hooks) override { hooks.chain("residual.in", &ResidLambdas::scale); }

  Value scale(Graph& g, Value x) const {  // x [B, T, D]
    const Value table = g.parameter("weight", "scalar", {g.layers(), 2}, Init::constant(init), Scope::model);
    const int64_t column = g.part() == "attn" ? 0 : 1;
    return x * table.slice(0, g.layer(), g.layer() + 1).slice(1, column, column + 1).reshape({});
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(ResidLambdas)
