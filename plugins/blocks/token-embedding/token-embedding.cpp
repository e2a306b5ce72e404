// Token embedding: one learned vector a token, looked up by id (Bengio et al. 2003; small init as in modded-nanogpt).
//
//   e_t = W[token_t],   W [V, D] ~ N(0, init_std^2)
//
// The table is also the wire "embedding", from which tied-head makes the logits.
#include <caddie/plugin.hpp>

namespace {

using namespace caddie;

struct TokenEmbedding : Block {
  static constexpr Identity identity{.id = "token-embedding",
                                     .summary = "one learned vector a token, looked up by id",
                                     .citation = "Bengio et al. 2003, JMLR 3:1137"};

  Number init_std{this, "init_std", 0.005, "standard deviation of the initial table", range(0, 10)};

  void attach(Hooks& hooks) override { hooks.provide("embed", &TokenEmbedding::look_up); }

  Value look_up(Graph& g, Value tokens) const {  // tokens [B, T] -> [B, T, D]
    const Lengths shape = {g.info().vocab, g.info().dim};
    const Value table = g.parameter("weight", "embedding", shape, Init::normal(0, init_std), Scope::model);
    g.set_wire("embedding", table);
    return g.gather(table, tokens);
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(TokenEmbedding)
