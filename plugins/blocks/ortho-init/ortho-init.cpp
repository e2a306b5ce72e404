// Orthogonal initialisation: a matrix starts as a rotation, so that signals and gradients keep their size
// (Saxe et al. 2013, arXiv:1312.6120; small outputs: Radford et al. 2019, "GPT-2").
//
//   W [O, I]:  W W^T = gain^2 I where O <= I, else W^T W = gain^2 I
//
// It concerns matrices whose block asks for nothing in particular (a uniform start) and whose sides are both min_side or
// more. Output projections start at zero and stay so, or become orthogonal with gain / sqrt(2 layers).
#include <caddie/plugin.hpp>

#include <algorithm>
#include <cmath>

namespace {

using namespace caddie;

struct OrthoInit : Block {
  static constexpr Identity identity{.id = "ortho-init",
                                     .summary = "matrices start with orthonormal rows or columns",
                                     .citation = "Saxe et al. 2013, arXiv:1312.6120"};

  Number gain{this, "gain", 1, "every singular value at the start", range(0, 1000)};
  Integer min_side{this, "min_side", 64, "smaller matrices start as their block says", at_least(1)};
  Text outputs{this,
               "outputs",
               "zero",
               "start of output projections: zero, or orthogonal times 1/sqrt(2 layers)",
               {"zero", "orthogonal-scaled"}};

  void attach(Hooks& hooks) override { hooks.init("parameter.init", &OrthoInit::start); }

  void start(Graph& g, const NewParameter& parameter, Init& init) const {
    if (parameter.role != "matrix" || parameter.shape.size() != 2) return;
    if (std::min(parameter.shape[0], parameter.shape[1]) < min_side) return;
    if (init.kind == CADDIE_INIT_UNIFORM) init = Init::orthogonal(gain);
    if (init.kind == CADDIE_INIT_ZEROS && outputs == "orthogonal-scaled") {
      init = Init::orthogonal(gain / std::sqrt(2.0 * g.layers()));
    }
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(OrthoInit)
