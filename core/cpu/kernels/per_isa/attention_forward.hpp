// Forward pass of one (batch, kv head); see attention.hpp for the formulas.
//   S^T[key][query] = K Q^T       O^T[dim][query] += V^T P^T
#pragma once

#include "core/cpu/kernels/per_isa/attention_parts.hpp"

namespace caddie::cpu::CADDIE_ISA::attention {

// One thread's memory.
template <class Word>
struct ForwardSpace {
  ForwardSpace(const AttentionShape& s, float* base)
      : carver(base),
        keys(carver.take(padded_rows(s.keys) * words_of<Word>(s.dim))),
        values(carver.take(padded_rows(s.dim) * words_of<Word>(s.keys))),
        query(carver.take(words_of<Word>(s.dim) * kPanel)),
        output(carver.take(s.dim * kPanel)),
        scores(carver.take(kKeyTile * kPanel)),
        weights(Word::kNumbers == 1 ? scores : carver.take(words_of<Word>(kKeyTile) * kPanel)) {}
  Carver carver;
  float* keys;     // K, rows of A
  float* values;   // V^T, rows of A
  float* query;    // Q^T, a panel of B
  float* output;   // [dim][kPanel]
  float* scores;   // [kKeyTile][kPanel]
  float* weights;  // P^T, a panel of B: the scores' memory if it fits
};

template <class Word>
std::int64_t forward_floats(const AttentionShape& s) {
  return ForwardSpace<Word>(s, nullptr).carver.used();
}

// The larger of `maximum` and the scores of a column of vectors, times `factor`.
CADDIE_INLINE F raised_maximum(const float* column, std::int64_t count, F factor, F maximum) {
  F high[4] = {maximum, maximum, maximum, maximum};
  std::int64_t j = 0;
  for (; j + 4 <= count; j += 4) {
    for (int i = 0; i < 4; ++i) high[i] = larger(high[i], load(column + (j + i) * kPanel) * factor);
  }
  for (; j < count; ++j) high[0] = larger(high[0], load(column + j * kPanel) * factor);
  return larger(larger(high[0], high[1]), larger(high[2], high[3]));
}

// Weights of two keys side by side -> their place in a panel of B.
template <class Word>
CADDIE_INLINE void store_weights(F first, F second, float* column, std::int64_t key) {
  if constexpr (Word::kNumbers == 1) {
    store(column + key * kPanel, first);
    store(column + (key + 1) * kPanel, second);
  } else {
    store(column + key / 2 * kPanel, Word::pairs(first, second));
  }
}

// Scores -> probabilities relative to the new maximum; rescale[] gets the factor for what was summed before.
template <class Word>
CADDIE_INLINE void exponentiate(const ForwardSpace<Word>& space, std::int64_t count, float scale, Softmax& state,
                                float* rescale) {
  const F factor = splat(scale);
  for (std::int64_t v = 0; v < kPanelVectors; ++v) {
    const float* scores = space.scores + v * kLanes;
    float* weights = space.weights + v * kLanes;
    const F maximum = raised_maximum(scores, count, factor, state.maximum[v]);
    // A query that has seen nothing yet: any finite reference keeps its probabilities 0.
    const F reference = select(maximum == splat(-__builtin_inff()), F{}, maximum);
    const auto probability = [&](std::int64_t j) {
      return exp2_weight(Word{}, fma(load(scores + j * kPanel), factor, F{} - reference));
    };
    const F before = exp2_nonpositive(state.maximum[v] - reference);
    F sum[2] = {state.sum[v] * before, F{}};
    std::int64_t j = 0;
    for (; j + 2 <= count; j += 2) {
      const F first = probability(j);
      const F second = probability(j + 1);
      store_weights<Word>(first, second, weights, j);
      sum[0] += first;
      sum[1] += second;
    }
    if (j < count) {
      const F last = probability(j);
      sum[0] += last;
      if constexpr (Word::kNumbers == 1) {
        store(weights + j * kPanel, last);
      } else {
        store_weights<Word>(last, F{}, weights, j);
      }
    }
    state.maximum[v] = maximum;
    state.sum[v] = sum[0] + sum[1];
    store(rescale + v * kLanes, before);
  }
}

// output[dim][kPanel] = output * rescale + V^T[dim][keys] * weights[keys][kPanel].
template <class Word>
CADDIE_INLINE void add_values(const ForwardSpace<Word>& space, const AttentionShape& s, std::int64_t key,
                              std::int64_t count, const float* rescale) {
  TileArgs t{words_of<Word>(count), space.values + key / Word::kNumbers * kTileRows,
             kTileRows,             space.weights,
             kPanel,                space.output,
             kPanel,                kLanes,
             rescale};
  for (std::int64_t d = 0; d < s.dim; d += kTileRows) {
    tile_rows<Word, kPanelVectors, 0, Old::scale_and_add>(least(kTileRows, s.dim - d), t);
    t.a += kTileRows * words_of<Word>(s.keys);
    t.c += kTileRows * kPanel;
  }
}

template <class Word>
inline void forward_panel(const AttentionForward& args, const ForwardSpace<Word>& space, std::int64_t batch,
                          std::int64_t head, std::int64_t first) {
  const AttentionShape& s = args.shape;
  const std::int64_t count = least(kPanel, s.queries - first);
  const Mask mask(s, batch, first, count);
  const std::int64_t words = words_of<Word>(s.dim);
  const float scale = s.scale * kLog2E;
  pack_right<Word>(args.q, place_of(args.q, batch, first, head), true, count, s.dim, space.query);
  for (std::int64_t i = 0; i < s.dim * kPanel; i += kLanes) store(space.output + i, F{});
  Softmax state = nothing_seen();
  for (std::int64_t key = 0; key < mask.keys_end(); key += kKeyTile) {
    const std::int64_t keys = least(kKeyTile, mask.keys_end() - key);
    const Mask::Tile seen = mask.classify(key, keys);
    if (seen == Mask::Tile::hidden) continue;
    panel_product<Word>(space.keys + key * words, keys, words, space.query, space.scores, kPanel);
    if (seen == Mask::Tile::partly) {
      const std::int64_t clear = mask.clear_keys(key, keys);
      hide(mask, key + clear, keys - clear, scale, space.scores + clear * kPanel);
    }
    alignas(64) float rescale[kPanel];
    exponentiate(space, keys, scale, state, rescale);
    add_values(space, s, key, keys, rescale);
  }
  finish_panel(args, state, batch, head, first, count, space.output);
}

// Units [begin, end): see tables.hpp.
template <class Word>
void forward(const AttentionForward& args, std::int64_t batch, std::int64_t kv_head, std::int64_t begin,
             std::int64_t end, float* base) {
  const AttentionShape& s = args.shape;
  const ForwardSpace<Word> space(s, base);
  if (begin == end) return;
  pack_left<Word>(args.k, place_of(args.k, batch, 0, kv_head), false, s.keys, s.dim, space.keys);
  pack_left<Word>(args.v, place_of(args.v, batch, 0, kv_head), true, s.keys, s.dim, space.values);
  const std::int64_t panels = query_panels(s);
  for (std::int64_t unit = begin; unit < end; ++unit) {
    const std::int64_t head = kv_head * (s.heads / s.kv_heads) + unit / panels;
    forward_panel(args, space, batch, head, unit % panels * kPanel);
  }
}

}  // namespace caddie::cpu::CADDIE_ISA::attention
