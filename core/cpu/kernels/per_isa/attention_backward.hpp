// Backward pass of one (batch, kv head). Blocks of two panels of queries meet tiles of keys; probabilities are made
// anew from the saved lse:
//   P = exp(scale q.k - lse)            dV += P^T dY
//   dS = P (dY.V - delta)               dK += dS^T Q      dQ += dS K      delta = dY.Y - d_lse
// dK and dQ are multiplied by the scale at the end.
#pragma once

#include "core/cpu/kernels/per_isa/attention_parts.hpp"

namespace caddie::cpu::CADDIE_ISA::attention {

constexpr std::int64_t kBlockPanels = 2;
constexpr std::int64_t kBlock = kBlockPanels * kPanel;  // queries at a time
template <class Word>
constexpr std::int64_t kRowWords = kBlock / Word::kNumbers;  // of a key's weights of the block

template <class Word>
struct BackwardSpace {
  static constexpr bool kInPlace = Word::kNumbers == 1;

  BackwardSpace(const AttentionShape& s, float* base)
      : carver(base),
        keys(carver.take(padded_rows(s.keys) * words_of<Word>(s.dim))),
        values(carver.take(padded_rows(s.keys) * words_of<Word>(s.dim))),
        keys_t(carver.take(padded_rows(s.dim) * words_of<Word>(s.keys))),
        dk(carver.take(s.keys * padded_columns(s.dim))),
        dv(carver.take(s.keys * padded_columns(s.dim))),
        query_t(carver.take(kBlock * words_of<Word>(s.dim))),
        dy_t(carver.take(kBlock * words_of<Word>(s.dim))),
        query(carver.take(kRowWords<Word> * padded_columns(s.dim))),
        dy(carver.take(kRowWords<Word> * padded_columns(s.dim))),
        dq_t(carver.take(kBlock * s.dim)),
        scores(carver.take(kKeyTile * kBlock)),
        products(carver.take(kKeyTile * kBlock)),
        probabilities(kInPlace ? scores : carver.take(kKeyTile * kRowWords<Word>)),
        slopes(kInPlace ? products : carver.take(kKeyTile * kRowWords<Word>)),
        slopes_t(kInPlace ? products : carver.take(words_of<Word>(kKeyTile) * kBlock)) {}
  Carver carver;
  float* keys;           // K, rows of A
  float* values;         // V, rows of A
  float* keys_t;         // K^T, rows of A
  float* dk;             // [keys][padded dim]
  float* dv;             // [keys][padded dim]
  float* query_t;        // Q^T of each panel of the block, columns of B
  float* dy_t;           // dY^T, columns of B
  float* query;          // Q [kBlock][dim], columns of B
  float* dy;             // dY [kBlock][dim], columns of B
  float* dq_t;           // [dim][kBlock]
  float* scores;         // K Q^T [kKeyTile][kBlock]
  float* products;       // V dY^T [kKeyTile][kBlock]
  float* probabilities;  // P^T [kKeyTile][kRowWords]: the scores' memory if it fits, as below
  float* slopes;         // dS^T [kKeyTile][kRowWords]
  float* slopes_t;       // dS^T [words of kKeyTile][kBlock]
};

template <class Word>
std::int64_t backward_floats(const AttentionShape& s) {
  return BackwardSpace<Word>(s, nullptr).carver.used();
}

// A block of queries of one head.
struct Block {
  std::int64_t first;
  std::int64_t count;
  alignas(64) float lse2[kBlock];   // in units of log2
  alignas(64) float delta[kBlock];
};

template <class Word>
inline void load_block(const AttentionBackward& args, const BackwardSpace<Word>& space, std::int64_t batch,
                       std::int64_t head, Block& block) {
  const AttentionShape& s = args.shape;
  const std::int64_t q = place_of(args.q, batch, block.first, head);
  const std::int64_t dy = place_of(args.dy, batch, block.first, head);
  pack_right<Word>(args.q, q, true, block.count, s.dim, space.query_t);
  pack_right<Word>(args.dy, dy, true, block.count, s.dim, space.dy_t);
  pack_right<Word>(args.q, q, false, block.count, s.dim, space.query);
  pack_right<Word>(args.dy, dy, false, block.count, s.dim, space.dy);
  for (std::int64_t t = 0; t < kBlock; ++t) {
    block.lse2[t] = block.delta[t] = 0.0F;
    if (t < block.count) load_row_numbers(args, batch, head, block.first + t, block.lse2[t], block.delta[t]);
  }
}

// Of one key and one panel of queries.
struct Weights {
  F probability[kPanelVectors];
  F slope[kPanelVectors];
};

// Scores and dY.V of one panel and `count` keys of a tile, from `first` (even) on -> P and dS.
template <class Word>
class SlopesOfPanel {
 public:
  CADDIE_INLINE SlopesOfPanel(const BackwardSpace<Word>& space, const Mask& mask, const Block& block,
                              std::int64_t panel, float scale)
      : space_(space), mask_(mask), column_(panel * kPanel), factor_(splat(scale * kLog2E)) {
    for (std::int64_t v = 0; v < kPanelVectors; ++v) {
      lse2_[v] = load(block.lse2 + column_ + v * kLanes);
      delta_[v] = load(block.delta + column_ + v * kLanes);
    }
  }

  // `key`: of which tile, for masks.
  template <bool kMasked>
  CADDIE_INLINE void make(std::int64_t key, std::int64_t first, std::int64_t end) const {
    for (std::int64_t j = first; j < end; j += Word::kNumbers) {
      const Weights weights = of<kMasked>(key, j);
      store_row(weights, j);
      if constexpr (Word::kNumbers == 2) {
        const Weights next = j + 1 < end ? of<kMasked>(key, j + 1) : Weights{};
        if (j + 1 < kKeyTile) store_row(next, j + 1);
        for (std::int64_t v = 0; v < kPanelVectors; ++v) {
          store(space_.slopes_t + j / 2 * kBlock + column_ + v * kLanes,
                Word::pairs(weights.slope[v], next.slope[v]));
        }
      }
    }
  }

 private:
  template <bool kMasked>
  CADDIE_INLINE Weights of(std::int64_t key, std::int64_t j) const {
    Weights w;
    for (std::int64_t v = 0; v < kPanelVectors; ++v) {
      const std::int64_t at = j * kBlock + column_ + v * kLanes;
      w.probability[v] = exp2_weight(Word{}, fma(load(space_.scores + at), factor_, F{} - lse2_[v]));
      w.slope[v] = w.probability[v] * (load(space_.products + at) - delta_[v]);
      if constexpr (kMasked) {
        const I seen = mask_.lanes(key + j, v);
        w.probability[v] = select(seen, w.probability[v], F{});
        w.slope[v] = select(seen, w.slope[v], F{});
      }
    }
    return w;
  }

  CADDIE_INLINE void store_row(const Weights& w, std::int64_t j) const {
    const std::int64_t at = j * kRowWords<Word> + column_ / Word::kNumbers;
    if constexpr (Word::kNumbers == 2) {
      static_assert(kPanelVectors == 2);
      store(space_.probabilities + at, Word::in_order(w.probability[0], w.probability[1]));
      store(space_.slopes + at, Word::in_order(w.slope[0], w.slope[1]));
    } else {
      for (std::int64_t v = 0; v < kPanelVectors; ++v) {
        store(space_.probabilities + at + v * kLanes, w.probability[v]);
        store(space_.slopes + at + v * kLanes, w.slope[v]);
      }
    }
  }

  const BackwardSpace<Word>& space_;
  const Mask& mask_;
  std::int64_t column_;
  F factor_;
  F lse2_[kPanelVectors];
  F delta_[kPanelVectors];
};

// Rows [first, end) of a panel's weights.
template <class Word>
inline void clear_rows(std::int64_t panel, std::int64_t first, std::int64_t end, float* weights) {
  for (std::int64_t j = first; j < end; ++j) {
    float* row = weights + j * kRowWords<Word> + panel * kPanel / Word::kNumbers;
    for (std::int64_t i = 0; i < kPanel / Word::kNumbers; i += kLanes) store(row + i, F{});
  }
}

// out[count keys][padded dim] += weights[keys][queries] * rows[queries][dim].
template <class Word>
inline void add_rows(const float* weights, std::int64_t count, std::int64_t queries, const float* rows,
                     std::int64_t dim, float* out) {
  const std::int64_t ld = padded_columns(dim);
  const std::int64_t words = words_of<Word>(queries);
  for (std::int64_t d = 0; d < dim; d += kTileColumns) {
    const bool wide = dim - d > kLanes;
    // The accumulators are padded, so whole vectors may be written.
    TileArgs t{words, weights, 0, rows + d * words, kTileColumns, out + d, ld, kLanes, nullptr};
    for (std::int64_t j = 0; j < count; j += kTileRows) {
      const std::int64_t height = least(kTileRows, count - j);
      if (wide) {
        tile_rows<Word, 2, kRowWords<Word>, Old::add>(height, t);
      } else {
        tile_rows<Word, 1, kRowWords<Word>, Old::add>(height, t);
      }
      t.a += kTileRows * kRowWords<Word>;
      t.c += kTileRows * ld;
    }
  }
}

// dq_t[dim][panel] += K^T[dim][keys] * slopes[keys][panel].
template <class Word>
inline void add_query_slopes(const BackwardSpace<Word>& space, const AttentionShape& s, std::int64_t panel,
                             std::int64_t key, std::int64_t count) {
  TileArgs t{words_of<Word>(count),
             space.keys_t + key / Word::kNumbers * kTileRows,
             kTileRows,
             space.slopes_t + panel * kPanel,
             kBlock,
             space.dq_t + panel * kPanel,
             kBlock,
             kLanes,
             nullptr};
  for (std::int64_t d = 0; d < s.dim; d += kTileRows) {
    tile_rows<Word, kPanelVectors, 0, Old::add>(least(kTileRows, s.dim - d), t);
    t.a += kTileRows * words_of<Word>(s.keys);
    t.c += kTileRows * kBlock;
  }
}

// Weights of a panel of queries and `keys` keys of a tile, and what they add to the slopes of the queries.
template <class Word>
inline void backward_panel(const AttentionShape& s, const BackwardSpace<Word>& space, const Block& block,
                           const Mask& mask, std::int64_t panel, std::int64_t key, std::int64_t keys,
                           Mask::Tile seen) {
  const std::int64_t words = words_of<Word>(s.dim);
  const std::int64_t shown = seen == Mask::Tile::hidden ? 0 : most(0, least(keys, mask.keys_end() - key));
  if (shown > 0) {
    panel_product<Word>(space.keys + key * words, shown, words, space.query_t + panel * kPanel * words,
                        space.scores + panel * kPanel, kBlock);
    panel_product<Word>(space.values + key * words, shown, words, space.dy_t + panel * kPanel * words,
                        space.products + panel * kPanel, kBlock);
    std::int64_t clear = seen == Mask::Tile::partly ? mask.clear_keys(key, shown) : shown;
    if (clear < shown) clear -= clear % Word::kNumbers;
    const SlopesOfPanel<Word> slopes(space, mask, block, panel, s.scale);
    slopes.template make<false>(key, 0, clear);
    slopes.template make<true>(key, clear, shown);
    add_query_slopes(space, s, panel, key, shown);
  }
  clear_rows<Word>(panel, shown, keys, space.probabilities);
  clear_rows<Word>(panel, shown, keys, space.slopes);
}

template <class Word>
inline void backward_block(const AttentionBackward& args, const BackwardSpace<Word>& space, std::int64_t batch,
                           std::int64_t head, Block& block) {
  const AttentionShape& s = args.shape;
  load_block(args, space, batch, head, block);
  for (std::int64_t i = 0; i < s.dim * kBlock; i += kLanes) store(space.dq_t + i, F{});
  const std::int64_t second = block.first + least(kPanel, block.count);
  const std::int64_t second_count = most(0, block.count - kPanel);
  const Mask masks[kBlockPanels] = {Mask(s, batch, block.first, least(kPanel, block.count)),
                                    second_count > 0 ? Mask(s, batch, second, second_count) : Mask(s)};
  const std::int64_t keys_end = most(masks[0].keys_end(), masks[1].keys_end());
  for (std::int64_t key = 0; key < keys_end; key += kKeyTile) {
    const std::int64_t keys = least(kKeyTile, keys_end - key);
    bool any_seen = false;
    Mask::Tile seen[kBlockPanels];
    for (std::int64_t p = 0; p < kBlockPanels; ++p) {
      seen[p] = masks[p].classify(key, keys);
      any_seen = any_seen || seen[p] != Mask::Tile::hidden;
    }
    if (!any_seen) continue;
    for (std::int64_t p = 0; p < kBlockPanels; ++p) {
      backward_panel(s, space, block, masks[p], p, key, keys, seen[p]);
    }
    const std::int64_t ld = padded_columns(s.dim);
    add_rows<Word>(space.probabilities, keys, block.count, space.dy, s.dim, space.dv + key * ld);
    add_rows<Word>(space.slopes, keys, block.count, space.query, s.dim, space.dk + key * ld);
  }
  transpose_out(space.dq_t, kBlock, block.count, s.dim, s.scale, args.dq,
                place_of(args.dq, batch, block.first, head));
}

template <class Word>
void backward(const AttentionBackward& args, std::int64_t batch, std::int64_t kv_head, float* base) {
  const AttentionShape& s = args.shape;
  const BackwardSpace<Word> space(s, base);
  const std::int64_t k = place_of(args.k, batch, 0, kv_head);
  pack_left<Word>(args.k, k, false, s.keys, s.dim, space.keys);
  pack_left<Word>(args.k, k, true, s.keys, s.dim, space.keys_t);
  pack_left<Word>(args.v, place_of(args.v, batch, 0, kv_head), false, s.keys, s.dim, space.values);
  for (std::int64_t i = 0; i < s.keys * padded_columns(s.dim); i += kLanes) {
    store(space.dk + i, F{});
    store(space.dv + i, F{});
  }
  const std::int64_t group = s.heads / s.kv_heads;
  for (std::int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
    for (std::int64_t first = 0; first < s.queries; first += kBlock) {
      Block block;
      block.first = first;
      block.count = least(kBlock, s.queries - first);
      backward_block(args, space, batch, head, block);
    }
  }
  copy_out(space.dk, padded_columns(s.dim), s.keys, s.dim, s.scale, args.dk, place_of(args.dk, batch, 0, kv_head));
  copy_out(space.dv, padded_columns(s.dim), s.keys, s.dim, 1.0F, args.dv, place_of(args.dv, batch, 0, kv_head));
}

}  // namespace caddie::cpu::CADDIE_ISA::attention
