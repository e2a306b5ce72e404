// Squared ReLU (So et al. 2021, "Primer", arXiv:2109.08668).
//
//   act(u) = max(u, 0)^2
#include <caddie/plugin.hpp>

namespace {

using namespace caddie;

struct Relu2 : Block {
  static constexpr Identity identity{
      .id = "act-relu2", .summary = "the MLP's activation max(u, 0)^2", .citation = "So et al. 2021, arXiv:2109.08668"};

  void attach(Hooks& hooks) override { hooks.provide("mlp.act", &Relu2::activate); }

  Value activate(Graph& g, Value u) const {
    const Value positive = g.max(u, 0);
    return positive * positive;
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(Relu2)
