// Causal attention whose H query heads share K key/value heads (Ainslie et al. 2023, arXiv:2305.13245).
//
//   q = n Wq^T   k = n Wk^T   v = n Wv^T
//   y_i = softmax(q_i k_j^T / sqrt(P)) v_j,   query head i reads key/value head j = floor(i / (H/K)), P channels a head
//   out = [y_1 .. y_H] Wo^T
//
// Wo starts at zero, so that every layer starts as the identity: Wq, Wk and Wv get their first gradient in the second
// step, once Wo has moved. K = H is ordinary multi-head attention.
#include <caddie/plugin.hpp>

#include <cmath>

namespace {

using namespace caddie;

struct Gqa : Block {
  static constexpr Identity identity{.id = "gqa",
                                     .summary = "causal attention with fewer key/value heads than query heads",
                                     .citation = "Ainslie et al. 2023, arXiv:2305.13245"};

  void attach(Hooks& hooks) override { hooks.provide("attn", &Gqa::attend); }

  Value attend(Graph& g, Value n) const {  // n [B, T, D] -> [B, T, D]
    const auto [B, T, D] = n.dims<3>();
    const int64_t H = g.info().heads;
    const int64_t K = g.info().kv_heads;
    const int64_t P = g.info().head_dim;
    if (K < 1 || H % K != 0) {
      throw Failure("the number of query heads, " + std::to_string(H) +
                    ", must be a multiple of the number of key/value heads, " + std::to_string(K));
    }

    const Value v = g.hook("attn.v", {heads(g, n, "v.weight", K), n});
    const auto [q, k] = g.hook<2>("attn.qk", {heads(g, n, "q.weight", H), heads(g, n, "k.weight", K), n});
    const double scale = 1 / std::sqrt(static_cast<double>(P));
    const Value y = g.attention(q, k, v, scale, true, g.wire_or_none("segments"));
    const Value joined = g.hook("attn.y", {y, v, n}).reshape({B, T, H * P});
    return g.linear(joined, "proj.weight", D, Init::zeros());
  }

 private:
  [[nodiscard]] static Value heads(Graph& g, Value n, const char* name, int64_t count) {  // [B, T, count, P]
    const int64_t P = g.info().head_dim;
    return g.linear(n, name, count * P, Init::fan_in(n.dim(2))).reshape({n.dim(0), n.dim(1), count, P});
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(Gqa)
