// Untied head: logits from a matrix of their own, which starts at zero, so that training starts at loss ln V exactly.
//
//   logits = x W^T,   W [V, D] = 0
//
// While W is zero no gradient passes below it: everything else starts to learn with the second step.
#include <caddie/plugin.hpp>

namespace {

using namespace caddie;

struct UntiedHead : Block {
  static constexpr Identity identity{.id = "untied-head",
                                     .summary = "logits from a matrix of their own, zero at the start",
                                     .citation = "openai/parameter-golf, the naive baseline"};

  void attach(Hooks& hooks) override { hooks.provide("head", &UntiedHead::logits); }

  Value logits(Graph& g, Value x) const {  // x [B, T, D] -> [B, T, V]
    return g.linear(x, "weight", g.info().vocab, Init::zeros(), "head", Scope::model);
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(UntiedHead)
