// z-loss: keeps the log-sum-exp of the logits near zero, so that they do not drift (Chowdhery et al. 2022, "PaLM",
// arXiv:2204.02311).
//
//   loss <- loss + weight * mean(lse^2),   d/dz_j = (2 weight / tokens) * lse * p_j
//
// openai/parameter-golf PR #2163 adds its softcap of 30 to lse and passes no gradient back, so there the term only
// changes the number that is printed: "shift": 30, "backprop": false.
#include <caddie/plugin.hpp>

namespace {

using namespace caddie;

struct ZLoss : Block {
  static constexpr Identity identity{.id = "z-loss",
                                     .summary = "pulls the log-sum-exp of the logits towards zero",
                                     .citation = "Chowdhery et al. 2022, arXiv:2204.02311"};

  Number weight{this, "weight", 1e-4, "weight of the term in the loss", range(0, 1000)};
  Number shift{this, "shift", 0.0, "added to the log-sum-exp", range(-1e6, 1e6)};
  Flag backprop{this, "backprop", true, "the term has a gradient"};
  Flag in_ttt{this, "in_ttt", false, "the term is also there when weights adapt at test time"};

  void attach(Hooks& hooks) override { hooks.chain("loss.term", &ZLoss::add); }

  Value add(Graph& g, Value loss, Value /*nll*/, Value lse) const {  // loss scalar, lse [B, T]
    if (g.mode() == Mode::adapt && !in_ttt) return loss;
    const Value z = shift.value() == 0 ? lse : lse + shift;
    const Value term = weight * g.mean(z * z);
    return loss + (backprop ? term : g.stop_gradient(term));
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(ZLoss)
