// One float vector type for all instruction sets: 16, 8 or 4 lanes, as GCC/Clang vector extensions, plus the few
// operations that have no operator. Included only by sources of per_isa/; everything lives in the namespace of the
// instruction set, so that the copies never meet in the linker. No standard library functions in here for the same
// reason.
#pragma once

#include <cstdint>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace caddie::cpu::CADDIE_ISA {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

using F [[gnu::vector_size(kLanes * 4)]] = float;
using I [[gnu::vector_size(kLanes * 4)]] = std::int32_t;

#define CADDIE_INLINE [[gnu::always_inline]] inline

CADDIE_INLINE F load(const float* p) {
  F v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
CADDIE_INLINE void store(float* p, F v) { __builtin_memcpy(p, &v, sizeof v); }

// Past the caches where p allows it: for what is read much later. Other threads see it after a fence of theirs or a
// fence_stores() here.
CADDIE_INLINE void store_past_caches(float* p, F v) {
#if defined(__AVX512F__)
  if (reinterpret_cast<std::uintptr_t>(p) % sizeof v == 0) return _mm512_stream_ps(p, reinterpret_cast<__m512>(v));
#endif
  store(p, v);
}
CADDIE_INLINE void fence_stores() {
#if defined(__AVX512F__)
  _mm_sfence();
#endif
}

// x - 0 and not x + 0: keeps the sign of zero.
CADDIE_INLINE F splat(float x) { return x - F{}; }
CADDIE_INLINE I splat_int(std::int32_t x) { return x + I{}; }

CADDIE_INLINE F as_float(I v) { return reinterpret_cast<F>(v); }
CADDIE_INLINE I as_int(F v) { return reinterpret_cast<I>(v); }
CADDIE_INLINE F to_float(I v) { return __builtin_convertvector(v, F); }
CADDIE_INLINE I to_int(F v) { return __builtin_convertvector(v, I); }

// The first n of kLanes lanes, 0 < n < kLanes; nothing beyond p + n is touched; the other lanes read as 0.
CADDIE_INLINE F load_first(const float* p, std::int64_t n) {
#if defined(__AVX512F__)
  return reinterpret_cast<F>(_mm512_maskz_loadu_ps(static_cast<__mmask16>((1U << n) - 1U), p));
#else
  float lanes[kLanes] = {};
  for (int i = 0; i < n; ++i) lanes[i] = p[i];
  return load(lanes);
#endif
}

CADDIE_INLINE void store_first(float* p, F v, std::int64_t n) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1U << n) - 1U), reinterpret_cast<__m512>(v));
#else
  float lanes[kLanes];
  store(lanes, v);
  for (int i = 0; i < n; ++i) p[i] = lanes[i];
#endif
}

// Numbers kept in bfloat16, the first n of kLanes; rounded to the nearest, ties to even.
CADDIE_INLINE F load_bf16(const std::uint16_t* p, std::int64_t n) {
  using H [[gnu::vector_size(kLanes * 2)]] = std::uint16_t;
  H halves{};
  if (n == kLanes) {
    __builtin_memcpy(&halves, p, sizeof halves);
  } else {
#if defined(__AVX512BW__) && defined(__AVX512VL__)
    halves = reinterpret_cast<H>(_mm256_maskz_loadu_epi16(static_cast<__mmask16>((1U << n) - 1U), p));
#else
    for (std::int64_t i = 0; i < n; ++i) halves[i] = p[i];
#endif
  }
  return as_float(__builtin_convertvector(halves, I) << splat_int(16));
}

CADDIE_INLINE void store_bf16(std::uint16_t* p, F v, std::int64_t n) {
  using H [[gnu::vector_size(kLanes * 2)]] = std::uint16_t;
#if defined(__AVX512BF16__)
  const H halves = reinterpret_cast<H>(_mm512_cvtneps_pbh(reinterpret_cast<__m512>(v)));
#else
  using U [[gnu::vector_size(kLanes * 4)]] = std::uint32_t;
  const U bits = reinterpret_cast<U>(v);
  const U rounded = (bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16;
  const U quiet = (bits >> 16) | 0x40U;
  const H halves = __builtin_convertvector(reinterpret_cast<U>(v != v) != U{} ? quiet : rounded, H);
#endif
  if (n == kLanes) {
    __builtin_memcpy(p, &halves, sizeof halves);
  } else {
#if defined(__AVX512BW__) && defined(__AVX512VL__)
    _mm256_mask_storeu_epi16(p, static_cast<__mmask16>((1U << n) - 1U), reinterpret_cast<__m256i>(halves));
#else
    for (std::int64_t i = 0; i < n; ++i) p[i] = halves[i];
#endif
  }
}

// a * b + c: one rounding where the machine has it, two in the portable build.
CADDIE_INLINE F fma(F a, F b, F c) {
#if defined(__AVX512F__)
  return reinterpret_cast<F>(
      _mm512_fmadd_ps(reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b), reinterpret_cast<__m512>(c)));
#elif defined(__AVX2__)
  return reinterpret_cast<F>(
      _mm256_fmadd_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b), reinterpret_cast<__m256>(c)));
#else
  return a * b + c;
#endif
}

CADDIE_INLINE F square_root(F v) {
#if defined(__AVX512F__)
  return reinterpret_cast<F>(_mm512_maskz_sqrt_ps(0xffff, reinterpret_cast<__m512>(v)));
#elif defined(__AVX2__)
  return reinterpret_cast<F>(_mm256_sqrt_ps(reinterpret_cast<__m256>(v)));
#else
  F root;
  for (int i = 0; i < kLanes; ++i) root[i] = __builtin_sqrtf(v[i]);
  return root;
#endif
}

// Lane by lane, mask ? yes : no. A comparison of two F gives an I of all ones or all zeros.
CADDIE_INLINE F select(I mask, F yes, F no) { return mask ? yes : no; }
// If a lane of either is NaN the result is b's lane; so keep(x) = larger(bound, x) keeps a NaN in x.
CADDIE_INLINE F larger(F a, F b) { return a > b ? a : b; }
CADDIE_INLINE F smaller(F a, F b) { return a < b ? a : b; }
CADDIE_INLINE F magnitude(F v) { return as_float(as_int(v) & splat_int(0x7fffffff)); }

namespace detail {

template <typename Half, typename Whole>
CADDIE_INLINE Half sum_of_halves(Whole v) {
  Half halves[2];
  static_assert(sizeof halves == sizeof v);
  __builtin_memcpy(halves, &v, sizeof v);
  return halves[0] + halves[1];
}

}  // namespace detail

// Sums in a fixed tree: lane i with lane i + half, and again.
CADDIE_INLINE float sum_lanes(F v) {
  using Four [[gnu::vector_size(16)]] = float;
  using Two [[gnu::vector_size(8)]] = float;
#if defined(__AVX512F__)
  using Eight [[gnu::vector_size(32)]] = float;
  const Four four = detail::sum_of_halves<Four>(detail::sum_of_halves<Eight>(v));
#elif defined(__AVX2__)
  const Four four = detail::sum_of_halves<Four>(v);
#else
  const Four four = v;
#endif
  const Two two = detail::sum_of_halves<Two>(four);
  return two[0] + two[1];
}

CADDIE_INLINE float max_lanes(F v) {
  float lanes[kLanes];
  store(lanes, v);
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) lanes[i] = lanes[i] > lanes[i + half] ? lanes[i] : lanes[i + half];
  }
  return lanes[0];
}

CADDIE_INLINE bool any(I mask) {
#if defined(__AVX512F__)
  return _mm512_test_epi32_mask(reinterpret_cast<__m512i>(mask), reinterpret_cast<__m512i>(mask)) != 0;
#elif defined(__AVX2__)
  return _mm256_movemask_epi8(reinterpret_cast<__m256i>(mask)) != 0;
#else
  std::int32_t bits = 0;
  for (int i = 0; i < kLanes; ++i) bits |= mask[i];
  return bits != 0;
#endif
}

namespace detail {

// Stage of a butterfly transposition: swaps the off-diagonal blocks of size `half` of every 2 half x 2 half block.
template <int kHalf, int... kLane>
CADDIE_INLINE void swap_lanes(F& upper, F& lower) {
  const F a = upper;
  const F b = lower;
  upper = __builtin_shufflevector(a, b, ((kLane & kHalf) != 0 ? kLanes + (kLane ^ kHalf) : kLane)...);
  lower = __builtin_shufflevector(a, b, ((kLane & kHalf) != 0 ? kLanes + kLane : (kLane ^ kHalf))...);
}

template <int kHalf>
CADDIE_INLINE void swap_blocks(F& upper, F& lower) {
#if defined(__AVX512F__)
  swap_lanes<kHalf, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15>(upper, lower);
#elif defined(__AVX2__)
  swap_lanes<kHalf, 0, 1, 2, 3, 4, 5, 6, 7>(upper, lower);
#else
  swap_lanes<kHalf, 0, 1, 2, 3>(upper, lower);
#endif
}

template <int kHalf>
CADDIE_INLINE void transpose_stage(F (&rows)[kLanes]) {
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) {
    if ((i & kHalf) == 0) swap_blocks<kHalf>(rows[i], rows[i + kHalf]);
  }
}

}  // namespace detail

// Transposes a kLanes x kLanes block in registers.
CADDIE_INLINE void transpose(F (&rows)[kLanes]) {
#if defined(__AVX512F__)
  detail::transpose_stage<8>(rows);
#endif
#if defined(__AVX2__)
  detail::transpose_stage<4>(rows);
#endif
  detail::transpose_stage<2>(rows);
  detail::transpose_stage<1>(rows);
}

// Lane i is all lanes of vector i, joined in the tree of sum_lanes().
template <typename Join>
CADDIE_INLINE F joined_lanes(F (&vectors)[kLanes], Join join) {
  transpose(vectors);
#pragma GCC unroll 4
  for (int half = kLanes / 2; half > 0; half /= 2) {
#pragma GCC unroll 8
    for (int lane = 0; lane < half; ++lane) vectors[lane] = join(vectors[lane], vectors[lane + half]);
  }
  return vectors[0];
}

// Lane i is lane from[i] of v.
CADDIE_INLINE F permute(F v, I from) {
#if defined(__AVX512F__)
  return reinterpret_cast<F>(
      _mm512_maskz_permutexvar_ps(0xffff, reinterpret_cast<__m512i>(from), reinterpret_cast<__m512>(v)));
#elif defined(__AVX2__)
  return reinterpret_cast<F>(_mm256_permutevar8x32_ps(reinterpret_cast<__m256>(v), reinterpret_cast<__m256i>(from)));
#else
  F out;
  for (int i = 0; i < kLanes; ++i) out[i] = v[from[i]];
  return out;
#endif
}

CADDIE_INLINE std::int64_t least(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
CADDIE_INLINE std::int64_t most(std::int64_t a, std::int64_t b) { return a > b ? a : b; }

}  // namespace caddie::cpu::CADDIE_ISA
