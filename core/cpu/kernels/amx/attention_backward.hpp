// Backward pass of one (batch, kv head) on the tile unit. Blocks of queries meet tiles of keys; for each pair of panels
// probabilities are made anew from the saved lse, and packed in registers for the three products that read them:
//   P = exp(scale q.k - lse)            dV += P^T dY
//   dS = P (dY.V - delta)               dK += dS^T Q      dQ^T += K^T dS^T      delta = dY.Y - d_lse
// dK and dQ are multiplied by the scale at the end.
#pragma once

#include "core/cpu/kernels/amx/attention_tiles.hpp"

namespace caddie::cpu::CADDIE_ISA::attention {

constexpr std::int64_t kBlockPanels = 4;
constexpr std::int64_t kBlock = kBlockPanels * kPanel;  // queries at a time
constexpr std::int64_t kTilePanels = kKeyTile / kPanel;

template <int kPlanes>
struct BackwardSpace {
  BackwardSpace(const AttentionShape& s, float* base)
      : carver(base),
        keys(take_panels<kPlanes>(carver, s.keys, s.dim)),
        values(take_panels<kPlanes>(carver, s.keys, s.dim)),
        keys_t(take_panels<kPlanes>(carver, s.dim, s.keys)),
        query_t(take_panels<kPlanes>(carver, kBlock, s.dim)),
        dy_t(take_panels<kPlanes>(carver, kBlock, s.dim)),
        query(take_panels<kPlanes>(carver, s.dim, kBlock)),
        dy(take_panels<kPlanes>(carver, s.dim, kBlock)),
        probabilities(take_panels<kPlanes>(carver, kKeyTile, kBlock)),
        slopes(take_panels<kPlanes>(carver, kKeyTile, kBlock)),
        slopes_t(take_panels<kPlanes>(carver, kBlock, kKeyTile)),
        scores(carver.take(kPanel * kPanel)),
        products(carver.take(kPanel * kPanel)),
        dk(carver.take(padded(s.keys) * padded(s.dim))),
        dv(carver.take(padded(s.keys) * padded(s.dim))),
        dq_t(carver.take(padded(s.dim) * kBlock)) {}
  Carver carver;
  char* keys;           // K, rows of A
  char* values;         // V, rows of A
  char* keys_t;         // K^T, rows of A
  char* query_t;        // Q^T of each panel of the block, columns of B
  char* dy_t;           // dY^T, columns of B
  char* query;          // Q [kBlock][dim], columns of B
  char* dy;             // dY [kBlock][dim], columns of B
  char* probabilities;  // P^T [keys of a tile][kBlock], rows of A
  char* slopes;         // dS^T, rows of A
  char* slopes_t;       // dS^T of each panel of the block, [keys of a tile][kPanel], columns of B
  float* scores;        // K Q^T of two panels [kPanel][kPanel]
  float* products;      // V dY^T
  float* dk;            // [padded keys][padded dim]
  float* dv;
  float* dq_t;          // [padded dim][kBlock]
};

// A block of queries of one head.
struct Block {
  std::int64_t first;
  std::int64_t count;
  alignas(64) float lse2[kBlock];  // in units of log2
  alignas(64) float delta[kBlock];
};

template <int kPlanes>
inline void load_block(const AttentionBackward& args, const BackwardSpace<kPlanes>& space, std::int64_t batch,
                       std::int64_t head, Block& block) {
  const AttentionShape& s = args.shape;
  const std::int64_t q = place_of(args.q, batch, block.first, head);
  const std::int64_t dy = place_of(args.dy, batch, block.first, head);
  pack_right<kPlanes>(args.q, q, true, block.count, s.dim, space.query_t);
  pack_right<kPlanes>(args.dy, dy, true, block.count, s.dim, space.dy_t);
  pack_right<kPlanes>(args.q, q, false, block.count, s.dim, space.query);
  pack_right<kPlanes>(args.dy, dy, false, block.count, s.dim, space.dy);
  for (std::int64_t t = 0; t < kBlock; ++t) {
    block.lse2[t] = block.delta[t] = 0.0F;
    if (t < block.count) load_row_numbers(args, batch, head, block.first + t, block.lse2[t], block.delta[t]);
  }
}

// Scores and products of two panels -> P^T and dS^T, packed. Keys from `count` on are not there.
template <int kPlanes, bool kMasked>
CADDIE_INLINE void slopes_of_panel(const BackwardSpace<kPlanes>& space, const Mask& mask, const float* lse2,
                                   const float* delta, float scale, std::int64_t key, std::int64_t count, char* p_rows,
                                   char* ds_rows, char* ds_columns) {
  F lse2_of[kPanelVectors];
  F delta_of[kPanelVectors];
  for (std::int64_t v = 0; v < kPanelVectors; ++v) {
    lse2_of[v] = load(lse2 + v * kLanes);
    delta_of[v] = load(delta + v * kLanes);
  }
  const float* scores = space.scores;
  const float* products = space.products;
  for (std::int64_t j = 0; j < kPanel; j += 2) {
    F p[2][kPanelVectors];
    F ds[2][kPanelVectors];
    for (int i = 0; i < 2; ++i) {
      for (std::int64_t v = 0; v < kPanelVectors; ++v) {
        const std::int64_t at = (j + i) * kPanel + v * kLanes;
        F probability = exp2_weight<kPlanes>(fma(load(scores + at), splat(scale * kLog2E), F{} - lse2_of[v]));
        F slope = probability * (load(products + at) - delta_of[v]);
        if constexpr (kMasked) {
          const I seen = j + i < count ? mask.lanes(key + j + i, v) : I{};
          probability = select(seen, probability, F{});
          slope = select(seen, slope, F{});
        }
        p[i][v] = probability;
        ds[i][v] = slope;
      }
      char* const row = p_rows + (j + i) / kTile * kTileBytes + (j + i) % kTile * 64;
      store_row<kPlanes>(p[i][0], p[i][1], row);
      store_row<kPlanes>(ds[i][0], ds[i][1], row + (ds_rows - p_rows));
    }
    for (std::int64_t v = 0; v < kPanelVectors; ++v) {
      store_pair<kPlanes>(ds[0][v], ds[1][v], ds_columns + v * kTileBytes + j * 32);
    }
  }
}

// c[kPanel][dim] += rows * columns over the panels of the depth that are seen.
template <int kPlanes>
CADDIE_INLINE void add_seen(const char* rows, const char* columns, std::int64_t depth, const bool* seen,
                            std::int64_t panels, float* c, std::int64_t ldc, std::int64_t width) {
  for (std::int64_t d = 0; d < width; d += kPanel, columns += panel_bytes<kPlanes>(depth)) {
    load_c(c + d, ldc);
    for (std::int64_t p = 0; p < panels; ++p) {
      if (seen[p]) multiply_step<kPlanes>(rows + p * kStepBytes<kPlanes>, columns + p * kStepBytes<kPlanes>);
    }
    store_c(c + d, ldc);
  }
}

// What a block of queries adds to the slopes of a tile of keys, and the tile to those of the block.
template <int kPlanes>
inline void backward_tile(const AttentionShape& s, const BackwardSpace<kPlanes>& space, const Block& block,
                          const Mask* masks, std::int64_t panels, std::int64_t key) {
  constexpr std::int64_t kStep = kStepBytes<kPlanes>;
  const std::int64_t tile_keys = least(kKeyTile, s.keys - key);
  const std::int64_t key_panels = (tile_keys + kPanel - 1) / kPanel;
  bool seen[kTilePanels][kBlockPanels] = {};
  bool seen_t[kBlockPanels][kTilePanels] = {};
  bool any_seen = false;
  for (std::int64_t k = 0; k < key_panels; ++k) {
    const std::int64_t first = key + k * kPanel;
    const std::int64_t count = least(kPanel, s.keys - first);
    for (std::int64_t p = 0; p < panels; ++p) {
      const Mask::Tile tile = masks[p].classify(first, count);
      if (tile == Mask::Tile::hidden) continue;
      seen[k][p] = seen_t[p][k] = any_seen = true;
      clear_c();
      multiply_steps<kPlanes>(space.keys + first / kPanel * panel_bytes<kPlanes>(s.dim),
                              space.query_t + p * panel_bytes<kPlanes>(s.dim), steps_of(s.dim));
      store_c(space.scores, kPanel);
      clear_c();
      multiply_steps<kPlanes>(space.values + first / kPanel * panel_bytes<kPlanes>(s.dim),
                              space.dy_t + p * panel_bytes<kPlanes>(s.dim), steps_of(s.dim));
      store_c(space.products, kPanel);
      const std::int64_t rows = (k * kBlockPanels + p) * kStep;
      const auto make = tile == Mask::Tile::visible && count == kPanel ? slopes_of_panel<kPlanes, false>
                                                                       : slopes_of_panel<kPlanes, true>;
      make(space, masks[p], block.lse2 + p * kPanel, block.delta + p * kPanel, s.scale, first, count,
           space.probabilities + rows, space.slopes + rows, space.slopes_t + (p * kTilePanels + k) * kStep);
    }
  }
  if (!any_seen) return;
  const std::int64_t dims = padded(s.dim);
  for (std::int64_t k = 0; k < key_panels; ++k) {
    const std::int64_t row = (key + k * kPanel) * dims;
    const std::int64_t rows = k * kBlockPanels * kStep;
    add_seen<kPlanes>(space.probabilities + rows, space.dy, block.count, seen[k], panels, space.dv + row, dims, dims);
    add_seen<kPlanes>(space.slopes + rows, space.query, block.count, seen[k], panels, space.dk + row, dims, dims);
  }
  for (std::int64_t d = 0; d < s.dim; d += kPanel) {
    const char* keys = space.keys_t + d / kPanel * panel_bytes<kPlanes>(s.keys) + key / kDepth * kStep;
    for (std::int64_t p = 0; p < panels; ++p) {
      add_seen<kPlanes>(keys, space.slopes_t + p * kTilePanels * kStep, kKeyTile, seen_t[p], key_panels,
                        space.dq_t + d * kBlock + p * kPanel, kBlock, kPanel);
    }
  }
}

template <int kPlanes>
inline void backward_block(const AttentionBackward& args, const BackwardSpace<kPlanes>& space, std::int64_t batch,
                           std::int64_t head, Block& block) {
  const AttentionShape& s = args.shape;
  load_block(args, space, batch, head, block);
  for (std::int64_t i = 0; i < padded(s.dim) * kBlock; i += kLanes) store(space.dq_t + i, F{});
  Mask masks[kBlockPanels] = {Mask(s), Mask(s), Mask(s), Mask(s)};
  const std::int64_t panels = (block.count + kPanel - 1) / kPanel;
  std::int64_t keys_end = 0;
  for (std::int64_t p = 0; p < panels; ++p) {
    masks[p] = Mask(s, batch, block.first + p * kPanel, least(kPanel, block.count - p * kPanel));
    keys_end = most(keys_end, masks[p].keys_end());
  }
  for (std::int64_t key = 0; key < keys_end; key += kKeyTile) backward_tile(s, space, block, masks, panels, key);
  transpose_out(space.dq_t, kBlock, block.count, s.dim, s.scale, args.dq,
                place_of(args.dq, batch, block.first, head));
}

template <int kPlanes>
std::int64_t backward_floats(const AttentionShape& s) {
  return BackwardSpace<kPlanes>(s, nullptr).carver.used();
}

template <int kPlanes>
void backward(const AttentionBackward& args, std::int64_t batch, std::int64_t kv_head, float* base) {
  const AttentionShape& s = args.shape;
  const BackwardSpace<kPlanes> space(s, base);
  const TileUnit unit;
  const std::int64_t k = place_of(args.k, batch, 0, kv_head);
  pack_left<kPlanes>(args.k, k, false, s.keys, s.dim, space.keys);
  pack_left<kPlanes>(args.k, k, true, s.keys, s.dim, space.keys_t);
  pack_left<kPlanes>(args.v, place_of(args.v, batch, 0, kv_head), false, s.keys, s.dim, space.values);
  for (std::int64_t i = 0; i < padded(s.keys) * padded(s.dim); i += kLanes) {
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
  copy_out(space.dk, padded(s.dim), s.keys, s.dim, s.scale, args.dk, place_of(args.dk, batch, 0, kv_head));
  copy_out(space.dv, padded(s.dim), s.keys, s.dim, 1.0F, args.dv, place_of(args.dv, batch, 0, kv_head));
}

}  // namespace caddie::cpu::CADDIE_ISA::attention
