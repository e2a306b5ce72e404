// Forward pass of one (batch, kv head); see attention.hpp for the formulas.
#pragma once

#include "core/cpu/kernels/per_isa/attention_parts.hpp"

namespace caddie::cpu::CADDIE_ISA::attention {

// One thread's memory: K [keys][dim] and V^T [dim][keys] as packed left-hand sides, and one panel of queries.
struct ForwardSpace {
  ForwardSpace(const AttentionShape& s, float* base)
      : carver(base),
        keys(carver.take(padded_rows(s.keys) * s.dim)),
        values(carver.take(padded_rows(s.dim) * s.keys)),
        query(carver.take(s.dim * kPanel)),
        output(carver.take(s.dim * kPanel)),
        scores(carver.take(kKeyTile * kPanel)) {}
  Carver carver;
  float* keys;
  float* values;
  float* query;   // [dim][kPanel], times scale * log2(e)
  float* output;  // [dim][kPanel]
  float* scores;  // [kKeyTile][kPanel]
};

inline std::int64_t forward_floats(const AttentionShape& s) { return ForwardSpace(s, nullptr).carver.used(); }

CADDIE_INLINE void hide(const Mask& mask, std::int64_t key, std::int64_t count, float* scores) {
  const F hidden = splat(-__builtin_inff());
  for (std::int64_t j = 0; j < count; ++j) {
    for (std::int64_t v = 0; v < kPanelVectors; ++v) {
      float* p = scores + j * kPanel + v * kLanes;
      store(p, select(mask.lanes(key + j, v), load(p), hidden));
    }
  }
}

// Scores -> probabilities relative to the new maximum; rescale[] gets the factor for what was summed before.
CADDIE_INLINE void exponentiate(float* scores, std::int64_t count, Softmax& state, float* rescale) {
  for (std::int64_t v = 0; v < kPanelVectors; ++v) {
    float* column = scores + v * kLanes;
    F high[4] = {state.maximum[v], state.maximum[v], state.maximum[v], state.maximum[v]};
    std::int64_t j = 0;
    for (; j + 4 <= count; j += 4) {
      for (int i = 0; i < 4; ++i) high[i] = larger(high[i], load(column + (j + i) * kPanel));
    }
    for (; j < count; ++j) high[0] = larger(high[0], load(column + j * kPanel));
    const F maximum = larger(larger(high[0], high[1]), larger(high[2], high[3]));
    // A query that has seen nothing yet: any finite reference keeps its probabilities 0.
    const F reference = select(maximum == splat(-__builtin_inff()), F{}, maximum);
    const F factor = exp2_nonpositive(state.maximum[v] - reference);
    F sum[2] = {state.sum[v] * factor, F{}};
    for (j = 0; j + 2 <= count; j += 2) {
      for (int i = 0; i < 2; ++i) {
        float* p = column + (j + i) * kPanel;
        const F probability = exp2_nonpositive(load(p) - reference);
        store(p, probability);
        sum[i] += probability;
      }
    }
    if (j < count) {
      const F probability = exp2_nonpositive(load(column + j * kPanel) - reference);
      store(column + j * kPanel, probability);
      sum[0] += probability;
    }
    state.maximum[v] = maximum;
    state.sum[v] = sum[0] + sum[1];
    store(rescale + v * kLanes, factor);
  }
}

// output[dim][kPanel] = output * rescale + V^T[dim][keys] * probabilities[keys][kPanel].
CADDIE_INLINE void add_values(const ForwardSpace& space, const AttentionShape& s, std::int64_t key, std::int64_t count,
                              const float* rescale) {
  const float* values = space.values + key * kTileRows;
  TileArgs t{count, values, kTileRows, space.scores, kPanel, space.output, kPanel, kLanes, rescale};
  std::int64_t d = 0;
  for (; d + kTileRows <= s.dim; d += kTileRows) {
    tile<kTileRows, kPanelVectors, 0, Old::scale_and_add>(t);
    t.a += kTileRows * s.keys;
    t.c += kTileRows * kPanel;
  }
  if (d < s.dim) tile_rows<kPanelVectors, 0, Old::scale_and_add, kTileRows - 1>(s.dim - d, t);
}

inline void forward_panel(const AttentionForward& args, const ForwardSpace& space, std::int64_t batch,
                          std::int64_t head, std::int64_t first) {
  const AttentionShape& s = args.shape;
  const std::int64_t count = least(kPanel, s.queries - first);
  const Mask mask(s, batch, first, count);
  transpose_in(head_of(args.q, batch, head) + first * args.q.position_stride, args.q.position_stride, count, s.dim,
               s.scale * kLog2E, space.query);
  for (std::int64_t i = 0; i < s.dim * kPanel; i += kLanes) store(space.output + i, F{});
  Softmax state = nothing_seen();
  for (std::int64_t key = 0; key < mask.keys_end(); key += kKeyTile) {
    const std::int64_t keys = least(kKeyTile, mask.keys_end() - key);
    const Mask::Tile seen = mask.classify(key, keys);
    if (seen == Mask::Tile::hidden) continue;
    panel_product(space.keys + key * s.dim, keys, s.dim, space.query, space.scores, kPanel);
    if (seen == Mask::Tile::partly) {
      const std::int64_t clear = mask.clear_keys(key, keys);
      hide(mask, key + clear, keys - clear, space.scores + clear * kPanel);
    }
    alignas(64) float rescale[kPanel];
    exponentiate(space.scores, keys, state, rescale);
    add_values(space, s, key, keys, rescale);
  }
  finish_panel(args, state, batch, head, first, count, space.output);
}

}  // namespace caddie::cpu::CADDIE_ISA::attention
