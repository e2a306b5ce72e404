// Factors as the micro-kernel takes them: words of 32 bits. A word is one float32 number, or two bfloat16 numbers that
// follow each other along the depth (word w holds the numbers 2w and 2w + 1; a missing last one is 0). Words travel in
// vectors of floats, of which only the bits count.
#pragma once

#include "core/cpu/kernels/per_isa/strip.hpp"

namespace caddie::cpu::CADDIE_ISA {

struct Float32Word {
  static constexpr std::int64_t kNumbers = 1;

  // The word at `a` in every lane.
  CADDIE_INLINE static F broadcast(const float* a) { return splat(*a); }
  CADDIE_INLINE static F multiply_add(F a, F b, F c) { return fma(a, b, c); }

  // kLanes words that follow each other along the depth, of the numbers at p, of which n exist.
  CADDIE_INLINE static F along(const float* p, std::int64_t n) {
    if (n >= kLanes) return load(p);
    return n > 0 ? load_first(p, n) : F{};
  }
  // The words of n <= kLanes lines side by side; of their numbers, `ld` apart along the depth, `depth` > 0 exist.
  CADDIE_INLINE static F across(const float* p, std::int64_t /*ld*/, std::int64_t /*depth*/, std::int64_t n) {
    return load_some(p, n);
  }
};

#if defined(__AVX512BF16__)

struct Bfloat16Word {
  static constexpr std::int64_t kNumbers = 2;

  // Rounded: lane j is the pair (a[j], b[j]).
  CADDIE_INLINE static F pairs(F a, F b) {
    alignas(64) static constexpr std::uint16_t kInTurn[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                              21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                              11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    return reinterpret_cast<F>(
        _mm512_permutexvar_epi16(_mm512_load_si512(kInTurn), reinterpret_cast<__m512i>(in_order(a, b))));
  }
  // Rounded: a's numbers, then b's.
  CADDIE_INLINE static F in_order(F a, F b) {
    return reinterpret_cast<F>(_mm512_cvtne2ps_pbh(reinterpret_cast<__m512>(b), reinterpret_cast<__m512>(a)));
  }

  CADDIE_INLINE static F broadcast(const float* a) {
    std::int32_t word;
    __builtin_memcpy(&word, a, sizeof word);
    return reinterpret_cast<F>(splat_int(word));
  }
  // c + a[0] b[0] + a[1] b[1].
  CADDIE_INLINE static F multiply_add(F a, F b, F c) {
    return reinterpret_cast<F>(_mm512_dpbf16_ps(reinterpret_cast<__m512>(c), reinterpret_cast<__m512bh>(a),
                                                reinterpret_cast<__m512bh>(b)));
  }

  CADDIE_INLINE static F along(const float* p, std::int64_t n) {
    return in_order(Float32Word::along(p, n), Float32Word::along(p + kLanes, n - kLanes));
  }
  CADDIE_INLINE static F along(const std::uint16_t* p, std::int64_t n) {
    const __mmask32 there = n >= 2 * kLanes ? ~0U : (1U << most(n, 0)) - 1U;
    return reinterpret_cast<F>(_mm512_maskz_loadu_epi16(there, p));
  }
  CADDIE_INLINE static F across(const float* p, std::int64_t ld, std::int64_t depth, std::int64_t n) {
    return pairs(load_some(p, n), depth > 1 ? load_some(p + ld, n) : F{});
  }
  CADDIE_INLINE static F across(const std::uint16_t* p, std::int64_t ld, std::int64_t depth, std::int64_t n) {
    const auto there = static_cast<__mmask16>((1U << n) - 1U);
    const __m512i first = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(there, p));
    if (depth < 2) return reinterpret_cast<F>(first);
    const __m512i second = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(there, p + ld));
    return reinterpret_cast<F>(_mm512_or_si512(first, _mm512_slli_epi32(second, 16)));
  }
};

#endif

template <class Word>
CADDIE_INLINE constexpr std::int64_t words_of(std::int64_t depth) {
  return (depth + Word::kNumbers - 1) / Word::kNumbers;
}

}  // namespace caddie::cpu::CADDIE_ISA
