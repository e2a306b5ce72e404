// Loops over a strip of floats in whole vectors and a tail.
#pragma once

#include "core/cpu/kernels/per_isa/simd.hpp"

namespace caddie::cpu::CADDIE_ISA {

// Floats [i, i + n) of p, n <= kLanes; missing lanes are `fill`.
CADDIE_INLINE F load_some(const float* p, std::int64_t n, float fill = 0.0F) {
  if (n == kLanes) return load(p);
  const F values = load_first(p, n);
  if (fill == 0.0F) return values;
  I lane;
  for (int i = 0; i < kLanes; ++i) lane[i] = i;
  return select(lane < splat_int(static_cast<std::int32_t>(n)), values, splat(fill));
}

CADDIE_INLINE void store_some(float* p, F v, std::int64_t n) {
  if (n == kLanes) {
    store(p, v);
  } else {
    store_first(p, v, n);
  }
}

// Numbers in bfloat16, as floats.
CADDIE_INLINE F load_some(const std::uint16_t* p, std::int64_t n, float fill = 0.0F) {
  const F values = load_bf16(p, n);
  if (n == kLanes || fill == 0.0F) return values;
  I lane;
  for (int i = 0; i < kLanes; ++i) lane[i] = i;
  return select(lane < splat_int(static_cast<std::int32_t>(n)), values, splat(fill));
}

CADDIE_INLINE void store_some(std::uint16_t* p, F v, std::int64_t n) { store_bf16(p, v, n); }

// body(i, n) for strips of n = kLanes floats at i, then the rest.
template <typename Body>
CADDIE_INLINE void for_strips(std::int64_t count, Body body) {
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) body(i, static_cast<std::int64_t>(kLanes));
  if (i < count) body(i, count - i);
}

// Sums over strips of terms(i, n): four interleaved vector sums each, added in a fixed tree. Blocks of kSumBlock floats
// are summed one by one, which keeps rounding errors of long rows small.
constexpr std::int64_t kSumBlock = 2048;

template <int kSums>
struct Terms {
  F of[kSums];
};

// Of floats [begin, end) of a block, before the lanes are added.
template <int kSums, typename Make>
CADDIE_INLINE void lane_sums_of(std::int64_t begin, std::int64_t end, F (&totals)[kSums], Make terms) {
  F sums[kSums][4] = {};
  const auto add = [&](int v, const Terms<kSums>& made) {
    for (int s = 0; s < kSums; ++s) sums[s][v] += made.of[s];
  };
  std::int64_t i = begin;
  for (; i + 4 * kLanes <= end; i += 4 * kLanes) {
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) add(v, terms(i + v * kLanes, static_cast<std::int64_t>(kLanes)));
  }
#pragma GCC unroll 4
  for (int v = 0; v < 4; ++v) {
    if (i < end) add(v, terms(i, least(kLanes, end - i)));
    i += kLanes;
  }
  for (int s = 0; s < kSums; ++s) totals[s] = (sums[s][0] + sums[s][1]) + (sums[s][2] + sums[s][3]);
}

template <int kSums, typename Make>
CADDIE_INLINE void sums_of(std::int64_t count, float (&totals)[kSums], Make terms) {
  for (float& total : totals) total = 0.0F;
  for (std::int64_t begin = 0; begin < count; begin += kSumBlock) {
    F lanes[kSums];
    lane_sums_of(begin, least(count, begin + kSumBlock), lanes, terms);
    for (int s = 0; s < kSums; ++s) totals[s] += sum_lanes(lanes[s]);
  }
}

template <typename Term>
CADDIE_INLINE float sum_of(std::int64_t count, Term term) {
  float total[1];
  sums_of(count, total, [=](std::int64_t i, std::int64_t n) { return Terms<1>{{term(i, n)}}; });
  return total[0];
}

// Largest of the floats; -infinity if there are none.
CADDIE_INLINE float largest_of(const float* x, std::int64_t count) {
  const float lowest = -__builtin_inff();
  F high[4] = {splat(lowest), splat(lowest), splat(lowest), splat(lowest)};
  std::int64_t i = 0;
  for (; i + 4 * kLanes <= count; i += 4 * kLanes) {
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) high[v] = larger(high[v], load(x + i + v * kLanes));
  }
  for (int v = 0; i < count; i += kLanes, ++v) {
    high[v] = larger(high[v], load_some(x + i, least(kLanes, count - i), lowest));
  }
  return max_lanes(larger(larger(high[0], high[1]), larger(high[2], high[3])));
}

}  // namespace caddie::cpu::CADDIE_ISA
