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

struct BackwardSpace {
  BackwardSpace(const AttentionShape& s, float* base)
      : carver(base),
        keys(carver.take(padded_rows(s.keys) * s.dim)),
        values(carver.take(padded_rows(s.keys) * s.dim)),
        keys_t(carver.take(padded_rows(s.dim) * s.keys)),
        dk(carver.take(s.keys * padded_columns(s.dim))),
        dv(carver.take(s.keys * padded_columns(s.dim))),
        query_t(carver.take(kBlock * s.dim)),
        dy_t(carver.take(kBlock * s.dim)),
        query(carver.take(kBlock * padded_columns(s.dim))),
        dy(carver.take(kBlock * padded_columns(s.dim))),
        dq_t(carver.take(kBlock * s.dim)),
        probabilities(carver.take(kKeyTile * kBlock)),
        slopes(carver.take(kKeyTile * kBlock)) {}
  Carver carver;
  float* keys;           // K [keys][dim], packed left-hand side
  float* values;         // V [keys][dim], packed left-hand side
  float* keys_t;         // K^T [dim][keys], packed left-hand side
  float* dk;             // [keys][padded dim]
  float* dv;             // [keys][padded dim]
  float* query_t;        // [panel][dim][kPanel], times scale * log2(e)
  float* dy_t;           // [panel][dim][kPanel]
  float* query;          // packed right-hand side [kBlock][dim]
  float* dy;             // packed right-hand side [kBlock][dim]
  float* dq_t;           // [dim][kBlock]
  float* probabilities;  // [kKeyTile][kBlock]
  float* slopes;         // [kKeyTile][kBlock], dS
};

inline std::int64_t backward_floats(const AttentionShape& s) { return BackwardSpace(s, nullptr).carver.used(); }

// A block of queries of one head.
struct Block {
  std::int64_t first;
  std::int64_t count;
  alignas(64) float lse2[kBlock];   // in units of log2
  alignas(64) float delta[kBlock];
};

inline void load_block(const AttentionBackward& args, const BackwardSpace& space, std::int64_t batch, std::int64_t head,
                       Block& block) {
  const AttentionShape& s = args.shape;
  const float* q = head_of(args.q, batch, head) + block.first * args.q.position_stride;
  const float* dy = head_of(args.dy, batch, head) + block.first * args.dy.position_stride;
  for (std::int64_t p = 0; p < kBlockPanels; ++p) {
    const std::int64_t count = most(0, least(kPanel, block.count - p * kPanel));
    if (count == 0) break;
    transpose_in(q + p * kPanel * args.q.position_stride, args.q.position_stride, count, s.dim, s.scale * kLog2E,
                 space.query_t + p * kPanel * s.dim);
    transpose_in(dy + p * kPanel * args.dy.position_stride, args.dy.position_stride, count, s.dim, 1.0F,
                 space.dy_t + p * kPanel * s.dim);
  }
  gemm_table.pack_b(q, args.q.position_stride, false, block.count, s.dim, space.query);
  gemm_table.pack_b(dy, args.dy.position_stride, false, block.count, s.dim, space.dy);
  for (std::int64_t t = 0; t < kBlock; ++t) {
    block.lse2[t] = block.delta[t] = 0.0F;
    if (t < block.count) load_row_numbers(args, batch, head, block.first + t, block.lse2[t], block.delta[t]);
  }
}

// Scores and dY.V of one panel and tile -> P and dS in place.
template <bool kMasked>
CADDIE_INLINE void slopes_of_panel(const Mask& mask, const Block& block, std::int64_t panel, std::int64_t key,
                                   std::int64_t count, float* probabilities, float* slopes) {
  for (std::int64_t v = 0; v < kPanelVectors; ++v) {
    const std::int64_t column = panel * kPanel + v * kLanes;
    const F lse2 = load(block.lse2 + column);
    const F delta = load(block.delta + column);
    for (std::int64_t j = 0; j < count; ++j) {
      float* p = probabilities + j * kBlock + column;
      float* s = slopes + j * kBlock + column;
      F probability = exp2_nonpositive(load(p) - lse2);
      F slope = probability * (load(s) - delta);
      if constexpr (kMasked) {
        const I seen = mask.lanes(key + j, v);
        probability = select(seen, probability, F{});
        slope = select(seen, slope, F{});
      }
      store(p, probability);
      store(s, slope);
    }
  }
}

inline void clear_panel(std::int64_t panel, std::int64_t count, float* block) {
  for (std::int64_t j = 0; j < count; ++j) {
    for (std::int64_t v = 0; v < kPanelVectors; ++v) store(block + j * kBlock + panel * kPanel + v * kLanes, F{});
  }
}

// out[count keys][padded dim] += weights[keys][kBlock] * rows[queries][dim].
inline void add_rows(const float* weights, std::int64_t count, std::int64_t queries, const float* rows,
                     std::int64_t dim, float* out) {
  const std::int64_t ld = padded_columns(dim);
  for (std::int64_t d = 0; d < dim; d += kTileColumns) {
    const bool wide = dim - d > kLanes;
    // The accumulators are padded, so whole vectors may be written.
    TileArgs t{queries, weights, 0, rows + d * queries, kTileColumns, out + d, ld, kLanes, nullptr};
    for (std::int64_t j = 0; j < count; j += kTileRows) {
      const std::int64_t height = least(kTileRows, count - j);
      if (wide) {
        tile_rows<2, kBlock, Old::add>(height, t);
      } else {
        tile_rows<1, kBlock, Old::add>(height, t);
      }
      t.a += kTileRows * kBlock;
      t.c += kTileRows * ld;
    }
  }
}

// dq_t[dim][panel] += K^T[dim][keys] * slopes[keys][panel].
inline void add_query_slopes(const BackwardSpace& space, const AttentionShape& s, std::int64_t panel, std::int64_t key,
                             std::int64_t count) {
  TileArgs t{count, space.keys_t + key * kTileRows, kTileRows, space.slopes + panel * kPanel, kBlock,
             space.dq_t + panel * kPanel, kBlock, kLanes, nullptr};
  for (std::int64_t d = 0; d < s.dim; d += kTileRows) {
    tile_rows<kPanelVectors, 0, Old::add>(least(kTileRows, s.dim - d), t);
    t.a += kTileRows * s.keys;
    t.c += kTileRows * kBlock;
  }
}

inline void backward_block(const AttentionBackward& args, const BackwardSpace& space, std::int64_t batch,
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
      float* probabilities = space.probabilities;
      float* slopes = space.slopes;
      const std::int64_t shown = seen[p] == Mask::Tile::hidden ? 0 : most(0, least(keys, masks[p].keys_end() - key));
      if (shown > 0) {
        panel_product(space.keys + key * s.dim, shown, s.dim, space.query_t + p * kPanel * s.dim,
                      probabilities + p * kPanel, kBlock);
        panel_product(space.values + key * s.dim, shown, s.dim, space.dy_t + p * kPanel * s.dim, slopes + p * kPanel,
                      kBlock);
        const std::int64_t clear = seen[p] == Mask::Tile::partly ? masks[p].clear_keys(key, shown) : shown;
        slopes_of_panel<false>(masks[p], block, p, key, clear, probabilities, slopes);
        slopes_of_panel<true>(masks[p], block, p, key + clear, shown - clear, probabilities + clear * kBlock,
                              slopes + clear * kBlock);
        add_query_slopes(space, s, p, key, shown);
      }
      clear_panel(p, keys - shown, probabilities + shown * kBlock);
      clear_panel(p, keys - shown, slopes + shown * kBlock);
    }
    const std::int64_t ld = padded_columns(s.dim);
    add_rows(space.probabilities, keys, block.count, space.dy, s.dim, space.dv + key * ld);
    add_rows(space.slopes, keys, block.count, space.query, s.dim, space.dk + key * ld);
  }
  transpose_out(space.dq_t, kBlock, block.count, s.dim, s.scale, args.dq,
                place_of(args.dq, batch, block.first, head));
}

inline void backward_pair(const AttentionBackward& args, std::int64_t batch, std::int64_t kv_head, float* base) {
  const AttentionShape& s = args.shape;
  const BackwardSpace space(s, base);
  const float* k = head_of(args.k, batch, kv_head);
  gemm_table.pack_a(k, args.k.position_stride, false, s.keys, s.dim, space.keys);
  gemm_table.pack_a(k, args.k.position_stride, true, s.dim, s.keys, space.keys_t);
  gemm_table.pack_a(head_of(args.v, batch, kv_head), args.v.position_stride, false, s.keys, s.dim, space.values);
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
