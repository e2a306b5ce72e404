// RMS norm without a weight, at every place that is normalised (Zhang & Sennrich 2019, arXiv:1910.07467).
//
//   y = x / sqrt(mean(x^2) + eps)   over the last axis
//
// Embeddings of size 0.005 have a mean square of 2.5e-5: an eps near that would change what the first layer sees.
#include <caddie/plugin.hpp>

namespace {

using namespace caddie;

struct RmsNorm : Block {
  static constexpr Identity identity{.id = "rms-norm",
                                     .summary = "root-mean-square norm without a weight, at every place of the model",
                                     .citation = "Zhang & Sennrich 2019, arXiv:1910.07467"};

  Number eps{this, "eps", 0x1p-23, "added to the mean square", range(0, 1)};

  void attach(Hooks& hooks) override { hooks.provide("norm", &RmsNorm::normalise); }

  Value normalise(Graph& g, Value x) const { return g.rms_norm(x, eps); }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(RmsNorm)
