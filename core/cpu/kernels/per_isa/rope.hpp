// Rotary positions; rowwise.hpp has the formula.
#pragma once

#include "core/cpu/kernels/per_isa/lines.hpp"
#include "core/cpu/kernels/per_isa/strip.hpp"

namespace caddie::cpu::CADDIE_ISA {

template <typename X, typename Y>
CADDIE_INLINE void copy_numbers(const X* x, int64_t count, Y* y) {
  for_strips(count, [=](int64_t i, int64_t n) { store_some(y + i, load_some(x + i, n), n); });
}

template <typename X, typename Y>
CADDIE_INLINE void turn_heads(const X* x, int64_t head_stride, const Heads& heads, const float* cosine,
                              const float* sine, Y* y) {
  const int64_t pairs = heads.pairs;
  for (int64_t head = 0; head < heads.count; ++head, x += head_stride, y += heads.dim) {
    for_strips(pairs, [=](int64_t i, int64_t n) {
      const F c = load_some(cosine + i, n);
      const F s = load_some(sine + i, n);
      const F first = load_some(x + i, n);
      const F second = load_some(x + pairs + i, n);
      store_some(y + i, first * c + second * s, n);
      store_some(y + pairs + i, second * c - first * s, n);
    });
    copy_numbers(x + 2 * pairs, heads.dim - 2 * pairs, y + 2 * pairs);
  }
}

// For heads whose turned numbers fit into one vector, which they do not leave.
class TurnInVector {
 public:
  static bool takes(const Heads& heads) { return 2 * heads.pairs <= kLanes && heads.dim >= kLanes; }

  CADDIE_INLINE explicit TurnInVector(const Heads& heads) : heads_(heads) {
    for (int i = 0; i < kLanes; ++i) {
      const bool is_first = i < heads.pairs;
      partner_[i] = static_cast<std::int32_t>(is_first ? i + heads.pairs : i < 2 * heads.pairs ? i - heads.pairs : i);
      angle_[i] = static_cast<std::int32_t>(is_first ? i : i < 2 * heads.pairs ? i - heads.pairs : 0);
      is_turned_[i] = i < 2 * heads.pairs ? -1 : 0;
      sign_[i] = is_first ? 1.0F : -1.0F;
    }
  }

  template <typename X, typename Y>
  CADDIE_INLINE void operator()(const X* x, int64_t head_stride, const float* cosine, const float* sine, Y* y) const {
    const F c = permute(load_some(cosine, heads_.pairs), angle_);
    const F s = permute(load_some(sine, heads_.pairs), angle_) * sign_;
    for (int64_t head = 0; head < heads_.count; ++head, x += head_stride, y += heads_.dim) {
      const F v = load_some(x, kLanes);
      store_some(y, select(is_turned_, v * c + permute(v, partner_) * s, v), kLanes);
      copy_numbers(x + kLanes, heads_.dim - kLanes, y + kLanes);
    }
  }

 private:
  Heads heads_;
  I partner_;  // with which a lane makes a pair
  I angle_;    // of the pair
  I is_turned_;
  F sign_;
};

template <typename X, typename Y>
void turn_positions(int64_t positions, Lines<X> x, int64_t head_stride, const Heads& heads, const float* cosine,
                    const float* sine, Lines<Y> y) {
  if (TurnInVector::takes(heads)) {
    const TurnInVector turn(heads);
    for (int64_t t = 0; t < positions; ++t) {
      turn(x[t], head_stride, cosine + t * heads.pairs, sine + t * heads.pairs, y[t]);
    }
    return;
  }
  for (int64_t t = 0; t < positions; ++t) {
    turn_heads(x[t], head_stride, heads, cosine + t * heads.pairs, sine + t * heads.pairs, y[t]);
  }
}

inline void rope(int64_t positions, const Rows& x, int64_t head_stride, const Heads& heads, const float* cosine,
                 const float* sine, const RowsOut& y) {
  with(x, [=, &heads](auto from) {
    with(y, [=, &heads](auto to) { turn_positions(positions, from, head_stride, heads, cosine, sine, to); });
  });
}

}  // namespace caddie::cpu::CADDIE_ISA
