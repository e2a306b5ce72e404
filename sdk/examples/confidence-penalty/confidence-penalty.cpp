// Confidence penalty: the loss rewards predictions with entropy (Pereyra et al. 2017, "Regularizing Neural Networks by
// Penalizing Confident Output Distributions", arXiv:1701.06548).
//
//   loss <- loss - weight * mean(H)        H [B, T]: entropy of the prediction in nats
//   from the share `until` of the run on:  loss stays as it is
#include <caddie/plugin.hpp>

namespace {

using namespace caddie;

struct ConfidencePenalty : Block {
  static constexpr Identity identity{.id = "confidence-penalty",
                                     .summary = "the training loss rewards predictions with entropy",
                                     .citation = "Pereyra et al. 2017, arXiv:1701.06548"};

  Number weight{this, "weight", 0.01, "share of the mean entropy that is taken off the loss", range(0, 1000)};
  Number until{this, "until", 1.0, "share of the run after which the penalty ends; 1: never", range(0, 1)};

  void attach(Hooks& hooks) override { hooks.chain("loss.term", &ConfidencePenalty::add); }

  Value add(Graph& g, Value loss, Value /*nll*/, Value /*lse*/, Value entropy) const {  // loss scalar, entropy [B, T]
    if (!g.training() || g.progress_reached(until)) return loss;
    return loss - weight * g.mean(entropy);
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(ConfidencePenalty)
