// Tied head: the token embedding is used once more to make the logits (Press & Wolf 2016, arXiv:1608.05859).
//
//   logits = x W^T,   W [V, D] the wire "embedding"
#include <caddie/plugin.hpp>

namespace {

using namespace caddie;

struct TiedHead : Block {
  static constexpr Identity identity{.id = "tied-head",
                                     .summary = "logits from the token embedding itself",
                                     .citation = "Press & Wolf 2016, arXiv:1608.05859"};

  void attach(Hooks& hooks) override { hooks.provide("head", &TiedHead::logits); }

  Value logits(Graph& g, Value x) const { return g.matmul(x, g.wire("embedding")); }  // x [B, T, D] -> [B, T, V]
};

}  // namespace

CADDIE_EXPORT_PLUGIN(TiedHead)
