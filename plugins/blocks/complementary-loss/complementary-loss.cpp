// Complementary training: a token that a bigram table already foretells counts less, so that the model learns the rest
// (openai/parameter-golf PR #803).
//
//   q = pairs[x, y] / (totals[x] + 1),   weight = max(1 - alpha * q, floor)      for the pair x -> y
//
// The counts are of the training tokens of strictly earlier steps; those of this step join them after it. The weights
// are not renormalised. It pays off only beside an n-gram mixer at evaluation. Memory: 4 V^2 bytes.
#include <caddie/plugin.hpp>

namespace {

using namespace caddie;

struct ComplementaryLoss : Block {
  static constexpr Identity identity{.id = "complementary-loss",
                                     .summary = "less loss weight for tokens that bigram counts already predict",
                                     .citation = "openai/parameter-golf PR #803",
                                     .reads = CADDIE_READS_TRAIN_TOKENS};

  Number alpha{this, "alpha", 0.5, "how much weight a certain bigram loses", range(0, 1)};
  Number floor{this, "floor", 0.1, "least weight of a token", range(0, 1)};

  void attach(Hooks& hooks) override { hooks.chain("loss.weight", &ComplementaryLoss::weigh); }

  Value weigh(Graph& g, Value weight) const {  // weight [B, T]
    if (!g.training()) return weight;
    const int64_t V = g.info().vocab;
    if (V > 46340) throw Failure("complementary-loss counts pairs in a table of V * V entries; V may be at most 46340");

    const Value previous = g.wire("tokens");
    const Value pair = previous * g.integer(V) + g.wire("targets");
    const Value pairs = g.state("pairs", {V * V}, Init::zeros(), CADDIE_I32, Scope::model);
    const Value totals = g.state("totals", {V}, Init::zeros(), CADDIE_I32, Scope::model);
    const Value one = g.constant({1}, previous.shape(), CADDIE_I32);
    g.set_state(pairs, g.scatter_add(pairs, pair, one));
    g.set_state(totals, g.scatter_add(totals, previous, one));

    const Value seen = g.to_float(g.gather(totals, previous));
    const Value q = g.to_float(g.gather(pairs, pair)) / (seen + 1);
    return weight * g.max(1 - alpha * q, floor);
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(ComplementaryLoss)
