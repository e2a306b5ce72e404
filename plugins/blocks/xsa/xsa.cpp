// XSA, exclusive self-attention: a head's output loses its component along the token's own value, which the residual
// stream has already; attention is left to speak of the other tokens (Zhai 2026, arXiv:2603.09078; in this grouped
// form: openai/parameter-golf PR #265).
//
//   z_i = y_i - (y_i . u) u,   u = v_j / max(|v_j|, eps),   query head i reads key/value head j = floor(i / (H/K))
//
// v is the one that attention read, so value embeddings and value residuals count; it has no rotation. Heads of a group
// share v through a broadcast axis, without copies. The division by |v|^2 is done once, on the product y . v.
#include <caddie/plugin.hpp>

namespace {

using namespace caddie;

struct Xsa : Block {
  static constexpr Identity identity{.id = "xsa",
                                     .summary = "heads lose the component along the token's own value",
                                     .citation = "Zhai 2026, arXiv:2603.09078"};

  Number eps{this, "eps", 1e-12, "smallest length of a value that is divided by", range(1e-18, 1)};

  void attach(Hooks& hooks) override { hooks.chain("attn.y", &Xsa::exclude_self); }

  Value exclude_self(Graph& g, Value y, Value v) const {  // y [B, T, H, P], v [B, T, K, P]
    const auto [B, T, H, P] = y.dims<4>();
    const int64_t K = v.dim(2);
    if (K < 1 || H % K != 0) {
      throw Failure("xsa needs a number of query heads, " + std::to_string(H) +
                    ", that is a multiple of the number of key/value heads, " + std::to_string(K));
    }
    const Value heads = y.reshape({B, T, K, H / K, P});
    const Value own = v.reshape({B, T, K, 1, P});
    const Value square = g.max(g.sum(own * own, {-1}, true), eps * eps);  // [B, T, K, 1, 1]
    const Value along = g.sum(heads * own, {-1}, true) / square;          // [B, T, K, H/K, 1]
    return (heads - along * own).reshape({B, T, H, P});
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(Xsa)
