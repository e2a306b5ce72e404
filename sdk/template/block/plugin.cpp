// @ID@: a gate on the output of attention, learned and different for every token
// (after Qiu et al. 2025, arXiv:2505.06708).
//
//   g = 2 sigmoid(n . w + b)        n [B,T,D]: attention's input; w [D] and b start at 0, so g starts at 1
//   out <- g out
#include <caddie/plugin.hpp>

namespace {

using namespace caddie;

struct @CLASS@ : Block {
  static constexpr Identity identity{.id = "@ID@",
                                     .summary = "a learned gate on attention's output, one number a token",
                                     .citation = "after Qiu et al. 2025, arXiv:2505.06708"};

  Flag bias{this, "bias", true, "whether the gate has a number of its own beside what it reads"};

  void attach(Hooks& hooks) override { hooks.chain("attn.out", &@CLASS@::gate); }

  Value gate(Graph& g, Value out, Value n) const {  // both [B, T, D]
    const Value w = g.parameter("gate.weight", "scalar", {n.dim(-1)}, Init::zeros());
    Value logit = g.sum(n * w, {-1}, true);  // [B, T, 1]
    if (bias) logit = logit + g.parameter("gate.bias", "scalar", {1}, Init::zeros());
    return 2 * g.sigmoid(logit) * out;
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(@CLASS@)
