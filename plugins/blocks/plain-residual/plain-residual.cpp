// The residual connection itself (He et al. 2015, arXiv:1512.03385).
//
//   x <- x + delta
#include <caddie/plugin.hpp>

namespace {

using namespace caddie;

struct PlainResidual : Block {
  static constexpr Identity identity{.id = "plain-residual",
                                     .summary = "a sub-layer's output is added to the stream",
                                     .citation = "He et al. 2015, arXiv:1512.03385"};

  void attach(Hooks& hooks) override { hooks.provide("residual", &PlainResidual::join); }

  Value join(Graph&, Value x, Value delta) const { return x + delta; }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(PlainResidual)
