// NEFTune: uniform noise on the token embeddings while training (Jain et al. 2023, arXiv:2310.05914).
//
//   e <- e + U(-1, 1) * alpha / sqrt(T * D)
#include <caddie/plugin.hpp>

#include <cmath>

namespace {

using namespace caddie;

struct Neftune : Block {
  static constexpr Identity identity{.id = "neftune",
                                     .summary = "uniform noise on the token embeddings while training",
                                     .citation = "Jain et al. 2023, arXiv:2310.05914",
                                     .reads = CADDIE_READS_RANDOM};

  Number alpha{this, "alpha", 5.0, "strength of the noise", range(0, 1000)};
  Integer length{this, "length", 0, "tokens that the noise is scaled for; 0: the batch's context", at_least(0)};

  void attach(Hooks& hooks) override { hooks.chain("embed.out", &Neftune::add_noise); }

  Value add_noise(Graph& g, Value e) const {  // e [B, T, D]
    if (!g.training()) return e;
    const auto [B, T, D] = e.dims<3>();
    const auto tokens = static_cast<double>(length > 0 ? length.value() : T);
    const double bound = alpha / std::sqrt(tokens * static_cast<double>(D));
    return e + g.uniform({B, T, D}, -bound, bound);
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(Neftune)
