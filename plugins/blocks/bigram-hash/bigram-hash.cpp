// BigramHash: an embedding for every pair of neighbouring tokens, from a table that is much smaller than V^2; pairs
// that share a row are told apart by the rest of the model (hash embeddings: Svenstrup et al. 2017, arXiv:1709.03933;
// openai/parameter-golf PR #388).
//
//   i_t = ((36313 * token_t) xor (27191 * token_{t-1})) mod (buckets - 1),   i_0 = buckets - 1
//   e_t <- e_t + scale * (W table[i_t])       table [buckets, dim] = 0, W [D, dim] orthogonal, scale = 0.05
//
// The products wrap around in 32 bits; below a vocabulary of 59138 none does. The last row belongs to the first
// position of every row of the batch, whatever stands there. The table starts at zero and W does not: the table learns
// from the first step on, W and scale from the second.
#include <caddie/plugin.hpp>

#include <cmath>

namespace {

using namespace caddie;

struct BigramHash : Block {
  static constexpr Identity identity{
      .id = "bigram-hash",
      .summary = "a hashed embedding of every pair of neighbouring tokens",
      .citation = "Svenstrup et al. 2017, arXiv:1709.03933; openai/parameter-golf PR #388"};

  Integer buckets{this, "buckets", 2048, "rows of the table; the last one is for first positions", range(2, 1 << 30)};
  Integer dim{this, "dim", 128, "channels of a row", range(1, 1 << 20)};
  Number scale_init{this, "scale_init", 0.05, "scale of the whole term at the start", range(-1000, 1000)};
  Text proj_init{this,
                 "proj_init",
                 "orthogonal",
                 "start of the projection: orthogonal, or orthogonal times 1/sqrt(2 layers)",
                 {"orthogonal", "orthogonal-scaled"}};

  void attach(Hooks& hooks) override { hooks.chain("embed.out", &BigramHash::add, -100); }

  Value add(Graph& g, Value e) const {  // e [B, T, D]
    const Value table = g.parameter("table", "embedding", {buckets, dim}, Init::zeros(), Scope::model);
    const Value scale = g.parameter("scale", "scalar", {1}, Init::constant(scale_init), Scope::model);
    const Value rows = g.gather(table, bucket(g));  // [B, T, dim]
    return e + scale * g.linear(rows, "proj.weight", e.dim(-1), Init::orthogonal(gain(g)), "matrix", Scope::model);
  }

 private:
  [[nodiscard]] Value bucket(Graph& g) const {  // i32 [B, T]
    const Value token = g.wire("tokens");
    const Value mixed = g.bit_xor(token * g.integer(36313), token.shift(1) * g.integer(27191));
    const Value first = g.eq(g.iota({1, token.dim(1)}, 1, CADDIE_I32), g.integer(0));
    return g.where(first, g.integer(buckets - 1), g.int_mod(mixed, g.integer(buckets - 1)));
  }

  [[nodiscard]] double gain(const Graph& g) const {
    return proj_init == "orthogonal" ? 1 : 1 / std::sqrt(2.0 * g.layers());
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(BigramHash)
