// Forward pass of one (batch, kv head) on the tile unit; see attention.hpp for the formulas. Scores of 32 queries and
// some panels of keys are made, exponentiated and at once packed as the right-hand side of the next product:
//   S^T[key][query] = K Q^T       O^T[dim][query] += V^T P^T
#pragma once

#include "core/cpu/kernels/amx/attention_tiles.hpp"

namespace caddie::cpu::CADDIE_ISA::attention {

template <int kPlanes>
struct ForwardSpace {
  ForwardSpace(const AttentionShape& s, float* base)
      : carver(base),
        keys(take_panels<kPlanes>(carver, s.keys, s.dim)),
        values(take_panels<kPlanes>(carver, s.dim, s.keys)),
        query(take_panels<kPlanes>(carver, kPanel, s.dim)),
        probabilities(take_panels<kPlanes>(carver, kPanel, kKeyTile)),
        scores(carver.take(kKeyTile * kPanel)),
        output(carver.take(padded(s.dim) * kPanel)) {}
  Carver carver;
  char* keys;           // K, rows of A
  char* values;         // V^T, rows of A
  char* query;          // Q^T, columns of B
  char* probabilities;  // P^T [keys of a tile][queries], columns of B
  float* scores;        // [kKeyTile][kPanel]
  float* output;        // [padded dim][kPanel]
};

// Scores of `count` keys -> probabilities relative to the new maximum, packed; keys up to the end of their panel get 0.
// rescale[] gets the factor for what was summed before.
template <int kPlanes>
inline void exponentiate(const float* scores, std::int64_t count, float scale, Softmax& state, float* rescale,
                         char* out) {
  const F factor2 = splat(scale);
  for (std::int64_t v = 0; v < kPanelVectors; ++v) {
    const float* column = scores + v * kLanes;
    F high[4] = {state.maximum[v], state.maximum[v], state.maximum[v], state.maximum[v]};
    std::int64_t j = 0;
    for (; j + 4 <= count; j += 4) {
      for (int i = 0; i < 4; ++i) high[i] = larger(high[i], load(column + (j + i) * kPanel) * factor2);
    }
    for (; j < count; ++j) high[0] = larger(high[0], load(column + j * kPanel) * factor2);
    const F maximum = larger(larger(high[0], high[1]), larger(high[2], high[3]));
    // A query that has seen nothing yet: any finite reference keeps its probabilities 0.
    const F reference = select(maximum == splat(-__builtin_inff()), F{}, maximum);
    const F factor = exp2_nonpositive(state.maximum[v] - reference);
    F sum[2] = {state.sum[v] * factor, F{}};
    char* tile = out + v * kTileBytes;
    const auto probability = [&](std::int64_t key) {
      return exp2_weight<kPlanes>(fma(load(column + key * kPanel), factor2, F{} - reference));
    };
    const auto place = [&](std::int64_t key) { return tile + key / kDepth * kStepBytes<kPlanes> + key % kDepth * 32; };
    for (j = 0; j + 2 <= count; j += 2) {
      const F first = probability(j);
      const F second = probability(j + 1);
      sum[0] += first;
      sum[1] += second;
      store_pair<kPlanes>(first, second, place(j));
    }
    for (; j < padded(count); j += 2) {
      const F first = j < count ? probability(j) : F{};
      sum[0] += first;
      store_pair<kPlanes>(first, F{}, place(j));
    }
    state.maximum[v] = maximum;
    state.sum[v] = sum[0] + sum[1];
    store(rescale + v * kLanes, factor);
  }
}

// Scores of hidden keys -> -infinity, whatever the sign of the scale.
inline void hide(const Mask& mask, std::int64_t key, std::int64_t count, float scale, float* scores) {
  const F hidden = splat(scale < 0 ? __builtin_inff() : -__builtin_inff());
  for (std::int64_t j = 0; j < count; ++j) {
    for (std::int64_t v = 0; v < kPanelVectors; ++v) {
      float* p = scores + j * kPanel + v * kLanes;
      store(p, select(mask.lanes(key + j, v), load(p), hidden));
    }
  }
}

inline void rescale_rows(const float* factors, std::int64_t rows, float* output) {
  F factor[kPanelVectors];
  I changed{};
  for (std::int64_t v = 0; v < kPanelVectors; ++v) {
    factor[v] = load(factors + v * kLanes);
    changed |= factor[v] != splat(1.0F);
  }
  if (!any(changed)) return;
  for (std::int64_t d = 0; d < rows; ++d) {
    for (std::int64_t v = 0; v < kPanelVectors; ++v) {
      float* p = output + d * kPanel + v * kLanes;
      store(p, load(p) * factor[v]);
    }
  }
}

template <int kPlanes>
inline void forward_panel(const AttentionForward& args, const ForwardSpace<kPlanes>& space, std::int64_t batch,
                          std::int64_t head, std::int64_t first) {
  const AttentionShape& s = args.shape;
  const std::int64_t count = least(kPanel, s.queries - first);
  const Mask mask(s, batch, first, count);
  const std::int64_t dims = padded(s.dim);
  pack_right<kPlanes>(args.q, place_of(args.q, batch, first, head), true, count, s.dim, space.query);
  for (std::int64_t i = 0; i < dims * kPanel; i += kLanes) store(space.output + i, F{});
  Softmax state = nothing_seen();
  const float scale = s.scale * kLog2E;
  for (std::int64_t key = 0; key < mask.keys_end(); key += kKeyTile) {
    const std::int64_t keys = least(kKeyTile, mask.keys_end() - key);
    const Mask::Tile seen = mask.classify(key, keys);
    if (seen == Mask::Tile::hidden) continue;
    for (std::int64_t j = 0; j < keys; j += kPanel) {
      clear_c();
      multiply_steps<kPlanes>(space.keys + (key + j) / kPanel * panel_bytes<kPlanes>(s.dim), space.query,
                              steps_of(s.dim));
      store_c(space.scores + j * kPanel, kPanel);
    }
    if (seen == Mask::Tile::partly) {
      const std::int64_t clear = mask.clear_keys(key, keys);
      hide(mask, key + clear, keys - clear, scale, space.scores + clear * kPanel);
    }
    alignas(64) float rescale[kPanel];
    exponentiate<kPlanes>(space.scores, keys, scale, state, rescale, space.probabilities);
    rescale_rows(rescale, s.dim, space.output);
    for (std::int64_t d = 0; d < s.dim; d += kPanel) {
      float* c = space.output + d * kPanel;
      const char* values =
          space.values + d / kPanel * panel_bytes<kPlanes>(s.keys) + key / kDepth * kStepBytes<kPlanes>;
      load_c(c, kPanel);
      multiply_steps<kPlanes>(values, space.probabilities, steps_of(keys));
      store_c(c, kPanel);
    }
  }
  finish_panel(args, state, batch, head, first, count, space.output);
}

template <int kPlanes>
std::int64_t forward_floats(const AttentionShape& s) {
  return ForwardSpace<kPlanes>(s, nullptr).carver.used();
}

// Units [begin, end): see tables.hpp.
template <int kPlanes>
void forward(const AttentionForward& args, std::int64_t batch, std::int64_t kv_head, std::int64_t begin,
             std::int64_t end, float* base) {
  const AttentionShape& s = args.shape;
  const ForwardSpace<kPlanes> space(s, base);
  if (begin == end) return;
  const TileUnit unit;
  pack_left<kPlanes>(args.k, place_of(args.k, batch, 0, kv_head), false, s.keys, s.dim, space.keys);
  pack_left<kPlanes>(args.v, place_of(args.v, batch, 0, kv_head), true, s.keys, s.dim, space.values);
  const std::int64_t panels = query_panels(s);
  for (std::int64_t i = begin; i < end; ++i) {
    const std::int64_t head = kv_head * (s.heads / s.kv_heads) + i / panels;
    forward_panel(args, space, batch, head, i % panels * kPanel);
  }
}

}  // namespace caddie::cpu::CADDIE_ISA::attention
