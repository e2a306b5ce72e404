// Cross-entropy of the next token, in nats.
//
//   lse = log sum_j e^{z_j}    nll = lse - z_target    entropy = lse - sum_j p_j z_j
#include <caddie/plugin.hpp>

namespace {

using namespace caddie;

struct CrossEntropyLoss : Block {
  static constexpr Identity identity{.id = "cross-entropy",
                                     .summary = "negative log-probability of the next token",
                                     .citation = "Bengio et al. 2003, JMLR 3:1137"};

  void attach(Hooks& hooks) override { hooks.provide("loss.token", &CrossEntropyLoss::per_token); }

  // logits [B, T, V], targets i32 [B, T] -> three values [B, T]
  CrossEntropy per_token(Graph& g, Value logits, Value targets) const { return g.cross_entropy(logits, targets); }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(CrossEntropyLoss)
