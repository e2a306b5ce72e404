// What all attention kernels share: workspaces, heads in memory, masks. Scores are kept transposed, [key][query]: a
// vector holds kLanes queries, so that maxima and sums over keys need no sums across lanes.
#pragma once

#include "core/cpu/kernels/attention.hpp"
#include "core/cpu/kernels/per_isa/simd_math.hpp"
#include "core/cpu/kernels/per_isa/strip.hpp"

namespace caddie::cpu::CADDIE_ISA::attention {

constexpr std::int64_t kPanelVectors = 2;
constexpr std::int64_t kPanel = kPanelVectors * kLanes;  // queries side by side

// Cuts a workspace into 64-byte aligned arrays; without memory it only counts.
class Carver {
 public:
  explicit Carver(float* base) : base_(base) {}
  float* take(std::int64_t floats) {
    float* part = base_ == nullptr ? nullptr : base_ + used_;
    used_ += (floats + 15) / 16 * 16;
    return part;
  }
  std::int64_t used() const { return used_; }

 private:
  float* base_;
  std::int64_t used_ = 0;
};

CADDIE_INLINE const float* head_of(const HeadsIn& x, std::int64_t batch, std::int64_t head) {
  return x.data + batch * x.batch_stride + head * x.head_stride;
}

// The place of a position of a head, counted in numbers.
template <class Heads>
CADDIE_INLINE std::int64_t place_of(const Heads& x, std::int64_t batch, std::int64_t position, std::int64_t head) {
  return batch * x.batch_stride + position * x.position_stride + head * x.head_stride;
}
// body(pointer) of the numbers from a place on: float32 or, where a kernel reads them, perhaps bfloat16.
template <bool kReadsNarrow, class Body>
CADDIE_INLINE void with_numbers(const HeadsIn& x, std::int64_t at, Body body) {
  if constexpr (kReadsNarrow) {
    if (x.narrow != nullptr) return body(x.narrow + at);
  }
  body(x.data + at);
}
CADDIE_INLINE F load_numbers(const HeadsIn& x, std::int64_t at, std::int64_t n) {
  return x.narrow != nullptr ? load_bf16(x.narrow + at, n) : load_some(x.data + at, n);
}
CADDIE_INLINE void store_numbers(float* p, F x, std::int64_t n) { store_some(p, x, n); }
CADDIE_INLINE void store_numbers(std::uint16_t* p, F x, std::int64_t n) { store_bf16(p, x, n); }

// in[dim][ld], `count` columns -> rows of length dim, times scale.
template <class Number>
inline void transpose_to(const float* in, std::int64_t ld, std::int64_t count, std::int64_t dim, float scale,
                         Number* rows, std::int64_t stride) {
  for (std::int64_t t = 0; t < count; t += kLanes) {
    const std::int64_t lanes = least(kLanes, count - t);
    std::int64_t d = 0;
    for (; d + kLanes <= dim; d += kLanes) {
      F block[kLanes];
      for (int i = 0; i < kLanes; ++i) block[i] = load(in + (d + i) * ld + t) * splat(scale);
      transpose(block);
      for (std::int64_t i = 0; i < lanes; ++i) store_numbers(rows + (t + i) * stride + d, block[i], kLanes);
    }
    if (d == dim) continue;
    F block[kLanes];
    for (int i = 0; i < kLanes; ++i) block[i] = d + i < dim ? load(in + (d + i) * ld + t) * splat(scale) : F{};
    transpose(block);
    for (std::int64_t i = 0; i < lanes; ++i) store_numbers(rows + (t + i) * stride + d, block[i], dim - d);
  }
}
inline void transpose_out(const float* in, std::int64_t ld, std::int64_t count, std::int64_t dim, float scale,
                          const HeadsOut& out, std::int64_t at) {
  if (out.narrow != nullptr) return transpose_to(in, ld, count, dim, scale, out.narrow + at, out.position_stride);
  transpose_to(in, ld, count, dim, scale, out.data + at, out.position_stride);
}

// Rows of length dim, `ld` apart, times scale to where they belong.
template <class Number>
inline void copy_to(const float* from, std::int64_t ld, std::int64_t count, std::int64_t dim, float scale, Number* to,
                    std::int64_t stride) {
  for (std::int64_t j = 0; j < count; ++j, from += ld, to += stride) {
    for_strips(dim, [&](std::int64_t d, std::int64_t n) {
      store_numbers(to + d, load_some(from + d, n) * splat(scale), n);
    });
  }
}
inline void copy_out(const float* from, std::int64_t ld, std::int64_t count, std::int64_t dim, float scale,
                     const HeadsOut& out, std::int64_t at) {
  if (out.narrow != nullptr) return copy_to(from, ld, count, dim, scale, out.narrow + at, out.position_stride);
  copy_to(from, ld, count, dim, scale, out.data + at, out.position_stride);
}

// Running maximum and sum of each query of a panel, of scores in units of log2.
struct Softmax {
  F maximum[kPanelVectors];
  F sum[kPanelVectors];
};

CADDIE_INLINE Softmax nothing_seen() {
  Softmax state;
  for (std::int64_t v = 0; v < kPanelVectors; ++v) {
    state.maximum[v] = splat(-__builtin_inff());
    state.sum[v] = F{};
  }
  return state;
}

// Sums output[dim][kPanel] of the panel of queries that begins at `first` -> y and lse.
inline void finish_panel(const AttentionForward& args, const Softmax& state, std::int64_t batch, std::int64_t head,
                         std::int64_t first, std::int64_t count, float* output) {
  const AttentionShape& s = args.shape;
  float* lse = args.lse + (batch * s.heads + head) * s.queries + first;
  for (std::int64_t v = 0; v < kPanelVectors; ++v) {
    const I none = state.sum[v] == F{};
    const F factor = select(none, F{}, splat(1.0F) / state.sum[v]);
    for (std::int64_t d = 0; d < s.dim; ++d) {
      float* p = output + d * kPanel + v * kLanes;
      store(p, load(p) * factor);
    }
    const F sums = fma(state.maximum[v], splat(kLn2), logarithm(state.sum[v]));
    const std::int64_t lanes = least(kLanes, count - v * kLanes);
    if (lanes == kLanes) {
      store(lse + v * kLanes, sums);
    } else if (lanes > 0) {
      store_first(lse + v * kLanes, sums, lanes);
    }
  }
  transpose_out(output, kPanel, count, s.dim, 1.0F, args.y, place_of(args.y, batch, first, head));
}

// What the slopes of query `t` of the head need beside its scores: lse in units of log2, and delta = dY.Y - d_lse.
inline void load_row_numbers(const AttentionBackward& args, std::int64_t batch, std::int64_t head, std::int64_t t,
                             float& lse2, float& delta) {
  const AttentionShape& s = args.shape;
  const std::int64_t dy = place_of(args.dy, batch, t, head);
  const std::int64_t y = place_of(args.y, batch, t, head);
  const std::int64_t at = (batch * s.heads + head) * s.queries + t;
  F sum{};
  for_strips(s.dim, [&](std::int64_t d, std::int64_t n) {
    sum = fma(load_numbers(args.dy, dy + d, n), load_numbers(args.y, y + d, n), sum);
  });
  lse2 = args.lse[at] * kLog2E;
  delta = sum_lanes(sum) - (args.d_lse != nullptr ? args.d_lse[at] : 0.0F);
}

// Which keys of a tile a panel of queries sees.
class Mask {
 public:
  // Of no queries: sees nothing.
  explicit Mask(const AttentionShape& shape) : causal_(shape.causal), first_(0) {}

  // Queries [first, first + count) of `batch`, 0 < count <= kPanel.
  Mask(const AttentionShape& shape, std::int64_t batch, std::int64_t first, std::int64_t count)
      : causal_(shape.causal), first_(first + shape.keys - shape.queries) {
    keys_end_ = causal_ ? most(0, least(shape.keys, first_ + count)) : shape.keys;
    if (shape.query_segments == nullptr) return;
    const std::int32_t* ids = shape.query_segments + batch * shape.queries + first;
    key_ids_ = shape.key_segments + batch * shape.keys;
    lowest_ = highest_ = ids[0];
    for (std::int64_t i = 0; i < kPanel; ++i) {
      ids_[i] = ids[least(i, count - 1)];
      lowest_ = ids_[i] < lowest_ ? ids_[i] : lowest_;
      highest_ = ids_[i] > highest_ ? ids_[i] : highest_;
    }
  }

  // No key at or beyond this one is seen by any query of the panel.
  std::int64_t keys_end() const { return keys_end_; }

  enum class Tile { hidden, partly, visible };

  Tile classify(std::int64_t key, std::int64_t count) const {
    if (key >= keys_end_) return Tile::hidden;
    bool whole = !causal_ || key + count - 1 <= first_;
    if (key_ids_ != nullptr) {
      std::int32_t low = key_ids_[key];
      std::int32_t high = low;
      for (std::int64_t i = 1; i < count; ++i) {
        low = key_ids_[key + i] < low ? key_ids_[key + i] : low;
        high = key_ids_[key + i] > high ? key_ids_[key + i] : high;
      }
      if (high < lowest_ || low > highest_) return Tile::hidden;
      whole = whole && low == high && lowest_ == highest_;
    }
    return whole ? Tile::visible : Tile::partly;
  }

  // How many of the first keys of a partly visible tile every query sees.
  std::int64_t clear_keys(std::int64_t key, std::int64_t count) const {
    return key_ids_ != nullptr ? 0 : most(0, least(count, first_ + 1 - key));
  }

  // Lanes of vector v of the panel that see `key`.
  CADDIE_INLINE I lanes(std::int64_t key, std::int64_t v) const {
    I seen = splat_int(-1);
    if (causal_) {
      I query;
      for (int i = 0; i < kLanes; ++i) query[i] = i;
      // Position of the key counted from the vector's first query; far ones are clamped to fit.
      const std::int64_t from = key - first_ - v * kLanes;
      seen = query >= splat_int(static_cast<std::int32_t>(most(-1, least(kLanes, from))));
    }
    if (key_ids_ != nullptr) {
      I ids;
      __builtin_memcpy(&ids, ids_ + v * kLanes, sizeof ids);
      seen &= ids == splat_int(key_ids_[key]);
    }
    return seen;
  }

 private:
  bool causal_;
  std::int64_t first_;  // the last key that the first query sees
  std::int64_t keys_end_ = 0;
  const std::int32_t* key_ids_ = nullptr;
  std::int32_t ids_[kPanel] = {};
  std::int32_t lowest_ = 0;
  std::int32_t highest_ = 0;
};

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

}  // namespace caddie::cpu::CADDIE_ISA::attention
