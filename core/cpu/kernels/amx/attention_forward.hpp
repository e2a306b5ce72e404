// Forward pass of one (batch, kv head) on the tile unit; see attention.hpp for the formulas. Scores of 32 queries and
// some panels of keys are made, exponentiated and at once packed as the right-hand side of the next product. The tile
// unit works beside the vector unit: on the next scores while these are exponentiated, on the outputs while the next
// maximum is sought.
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

// Some keys that a panel of queries sees.
struct KeyTile {
  std::int64_t first = 0;
  std::int64_t count = 0;
  Mask::Tile seen = Mask::Tile::hidden;  // if hidden, there is none
};

inline KeyTile first_seen(const Mask& mask, std::int64_t key) {
  for (; key < mask.keys_end(); key += kKeyTile) {
    const std::int64_t count = least(kKeyTile, mask.keys_end() - key);
    const Mask::Tile seen = mask.classify(key, count);
    if (seen != Mask::Tile::hidden) return {key, count, seen};
  }
  return {};
}

// The maximum of each query with `count` more scores, while `products` go on.
template <int kPlanes>
inline void raise_maximum(const float* scores, std::int64_t count, float scale, Products<kPlanes>& products,
                          F* maximum) {
  const F factor = splat(scale);
  F high[4] = {maximum[0], maximum[1], maximum[0], maximum[1]};
  const std::int64_t pace = products.pace((count + kChunk - 1) / kChunk);
  std::int64_t j = 0;
  for (; j + kChunk <= count; j += kChunk) {
    const float* row = scores + j * kPanel;
#pragma GCC unroll 16
    for (std::int64_t i = 0; i < kChunk * kPanelVectors; ++i) {
      high[i % 4] = larger(high[i % 4], load(row + i * kLanes) * factor);
    }
    products.go_on(pace);
  }
  for (; j < count; ++j) {
    high[0] = larger(high[0], load(scores + j * kPanel) * factor);
    high[1] = larger(high[1], load(scores + j * kPanel + kLanes) * factor);
  }
  products.finish();
  maximum[0] = larger(high[0], high[2]);
  maximum[1] = larger(high[1], high[3]);
}

// Scores of kChunk keys, `count` of them there, -> probabilities relative to the maximum `reference`, packed; the
// others get 0.
template <int kPlanes, bool kWhole>
CADDIE_INLINE void exponentiate_chunk(const float* scores, std::int64_t count, F factor, const F* reference, F* sum,
                                      char* out) {
  const auto probability = [&](std::int64_t j, std::int64_t v) {
    if (!kWhole && j >= count) return F{};
    return exp2_weight<kPlanes>(fma(load(scores + j * kPanel + v * kLanes), factor, F{} - reference[v]));
  };
  for (std::int64_t v = 0; v < kPanelVectors; ++v) {
#pragma GCC unroll 4
    for (std::int64_t j = 0; j < kChunk; j += 2) {
      const F first = probability(j, v);
      const F second = probability(j + 1, v);
      sum[v] += first + second;
      store_pair<kPlanes>(first, second, out + v * kTileBytes + j * 32);
    }
  }
}

// Of `count` keys. Meanwhile `products` make other scores: those of a panel of keys when the panel in their place has
// been read.
template <int kPlanes>
inline void exponentiate(const float* scores, std::int64_t count, float scale, const F* reference,
                         Products<kPlanes>& products, F* sum, char* out) {
  const F factor = splat(scale);
  const std::int64_t pace = products.pace_in_panel(kPanel / kChunk);
  for (std::int64_t panel = 0; panel < count; panel += kPanel, out += kStepBytes<kPlanes>) {
    for (std::int64_t chunk = 0; chunk < kPanel; chunk += kChunk) {
      const std::int64_t left = count - panel - chunk;
      const float* rows = scores + (panel + chunk) * kPanel;
      if (left >= kChunk) {
        exponentiate_chunk<kPlanes, true>(rows, left, factor, reference, sum, out + chunk * 32);
      } else {
        exponentiate_chunk<kPlanes, false>(rows, left, factor, reference, sum, out + chunk * 32);
      }
      if (chunk + kChunk < kPanel) products.go_on_in_panel(pace);
    }
    products.finish_panel();
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
  const auto scores_of = [&](const KeyTile& tile) {
    const std::int64_t stride = panel_bytes<kPlanes>(s.dim);
    return Products<kPlanes>(space.keys + tile.first / kPanel * stride, stride, steps_of(tile.count), space.query,
                             steps_of(s.dim), space.scores, false);
  };
  const auto outputs_of = [&](const KeyTile& tile) {
    return Products<kPlanes>(space.values + tile.first / kDepth * kStepBytes<kPlanes>, panel_bytes<kPlanes>(s.keys),
                             steps_of(s.dim), space.probabilities, steps_of(tile.count), space.output, true);
  };
  KeyTile tile = first_seen(mask, 0);
  scores_of(tile).finish();
  for (Products<kPlanes> outputs = Products<kPlanes>::none(); tile.count > 0;) {
    if (tile.seen == Mask::Tile::partly) {
      const std::int64_t clear = mask.clear_keys(tile.first, tile.count);
      hide(mask, tile.first + clear, tile.count - clear, scale, space.scores + clear * kPanel);
    }
    F reference[kPanelVectors];
    for (std::int64_t v = 0; v < kPanelVectors; ++v) reference[v] = state.maximum[v];
    raise_maximum(space.scores, tile.count, scale, outputs, state.maximum);
    alignas(64) float rescale[kPanel];
    for (std::int64_t v = 0; v < kPanelVectors; ++v) {
      const F before = reference[v];
      // A query that has seen nothing yet: any finite reference keeps its probabilities 0.
      reference[v] = select(state.maximum[v] == splat(-__builtin_inff()), F{}, state.maximum[v]);
      const F factor = exp2_nonpositive(before - reference[v]);
      state.sum[v] = state.sum[v] * factor;
      store(rescale + v * kLanes, factor);
    }
    rescale_rows(rescale, s.dim, space.output);
    const KeyTile next = first_seen(mask, tile.first + kKeyTile);
    Products<kPlanes> scores = scores_of(next);
    exponentiate(space.scores, tile.count, scale, reference, scores, state.sum, space.probabilities);
    outputs = outputs_of(tile);
    tile = next;
    if (tile.count == 0) outputs.finish();
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
