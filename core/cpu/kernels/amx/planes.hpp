// Operands of the tile unit in bfloat16: products at bf16, and attention. The unit sums their products in float32.
//
// They are packed into panels of 32 lines (rows of A or columns of B) and planes of bfloat16 numbers:
//
// One plane: numbers are rounded to bfloat16.
// Three planes: a float32 number is exactly the sum of three bfloat16 numbers, its significand cut into 8 + 8 + 8 bits:
// x = h + m + l. Of the nine products of two such sums the six largest are taken; what is left out is below 2^-21 of
// |a b| in the worst case and 2^-24 on average, the size of the rounding of one float32 product. (Henry, Tang and
// Heinecke 2019, "Leveraging the bfloat16 artificial intelligence datatype for higher-precision computations".) Values
// that are not finite stay so, but an infinity may become NaN. In both, parts below 2^-126 count as 0.
#pragma once

#include "core/cpu/kernels/amx/tile_unit.hpp"
#include "core/cpu/kernels/per_isa/prefetcher.hpp"
#include "core/cpu/kernels/per_isa/words.hpp"

namespace caddie::cpu::CADDIE_ISA {

constexpr std::int64_t kDepth = 32;          // bfloat16 numbers in a row of a tile
constexpr std::int64_t kPanel = 2 * kTile;   // lines of a packed panel
constexpr std::int64_t kPlaneBytes = 2 * kTileBytes;  // two tiles side by side

// Bytes of a panel for kDepth of the depth.
template <int kPlanes>
constexpr std::int64_t kStepBytes = kPlanes * kPlaneBytes;

// Bytes of a panel of a whole depth.
template <int kPlanes>
CADDIE_INLINE std::int64_t panel_bytes(std::int64_t depth) {
  return (depth + kDepth - 1) / kDepth * kStepBytes<kPlanes>;
}

// ---- numbers to planes ----------------------------------------------------------------------------------------------

CADDIE_INLINE __m512 cut(__m512 x) {
  return _mm512_castsi512_ps(
      _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(static_cast<int>(0xFFFF0000U))));
}
// What is left after the first plane; 0 where x is not finite.
CADDIE_INLINE __m512 rest_of(__m512 x) {
  const __m512i exponent = _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7F800000));
  const __mmask16 finite = _mm512_cmpneq_epi32_mask(exponent, _mm512_set1_epi32(0x7F800000));
  return _mm512_maskz_sub_ps(finite, x, cut(x));
}

// Two vectors in bfloat16 as pairs: lane j is (a[j], b[j]). With several planes this is the first.
template <int kPlanes>
CADDIE_INLINE __m512i pairs(__m512 a, __m512 b) {
  if constexpr (kPlanes == 1) {
    return reinterpret_cast<__m512i>(Bfloat16Word::pairs(reinterpret_cast<F>(a), reinterpret_cast<F>(b)));
  } else {
    const __m512i low = _mm512_maskz_srli_epi32(0xffff, _mm512_castps_si512(a), 16);  // masked: GCC 12 warns otherwise
    return _mm512_or_si512(low, _mm512_castps_si512(cut(b)));
  }
}
// Two vectors in bfloat16 one after the other: lane j is (ab[2j], ab[2j + 1]).
template <int kPlanes>
CADDIE_INLINE __m512i in_order(__m512 a, __m512 b) {
  if constexpr (kPlanes == 1) {
    return reinterpret_cast<__m512i>(Bfloat16Word::in_order(reinterpret_cast<F>(a), reinterpret_cast<F>(b)));
  } else {
    alignas(64) static constexpr std::uint16_t kOdd[32] = {1,  3,  5,  7,  9,  11, 13, 15, 17, 19, 21,
                                                           23, 25, 27, 29, 31, 33, 35, 37, 39, 41, 43,
                                                           45, 47, 49, 51, 53, 55, 57, 59, 61, 63};
    return _mm512_permutex2var_epi16(_mm512_castps_si512(a), _mm512_load_si512(kOdd), _mm512_castps_si512(b));
  }
}

// ---- packing --------------------------------------------------------------------------------------------------------

CADDIE_INLINE __m512i load_row(const std::uint16_t* p, std::int64_t n) {  // each in the low half of its lane
  const auto mask = static_cast<__mmask16>(n >= kTile ? 0xFFFFU : (1U << n) - 1U);
  return _mm512_maskz_cvtepu16_epi32(0xffff, _mm256_maskz_loadu_epi16(mask, p));
}

// One tile in all planes: 16 lines (rows of A, columns of B) of 32 numbers along the depth, from element (line, k) at
// source[line * ld + k], or source[k * ld + line] if kDepthIsRow. Stored line by line, or if kByDepth by pairs along
// the depth; missing lines and depths are 0.
template <int kPlanes, bool kDepthIsRow, bool kByDepth>
CADDIE_INLINE void pack_tile(const float* source, std::int64_t ld, std::int64_t lines, std::int64_t depth, char* out) {
  __m512 even[kTile];
  __m512 odd[kTile];
  for (std::int64_t i = 0; i < kTile; ++i) {
    if constexpr (kDepthIsRow) {  // i counts pairs along the depth, lanes are lines
      even[i] = load_row(source + 2 * i * ld, 2 * i < depth ? lines : 0);
      odd[i] = load_row(source + (2 * i + 1) * ld, 2 * i + 1 < depth ? lines : 0);
    } else {  // i counts lines, lanes run along the depth
      even[i] = load_row(source + i * ld, i < lines ? depth : 0);
      odd[i] = load_row(source + i * ld + kTile, i < lines ? depth - kTile : 0);
    }
  }
  for (std::int64_t plane = 0; plane < kPlanes; ++plane) {
    __m512i block[kTile];
    for (std::int64_t i = 0; i < kTile; ++i) {
      block[i] = kDepthIsRow ? pairs<kPlanes>(even[i], odd[i]) : in_order<kPlanes>(even[i], odd[i]);
      if (plane + 1 == kPlanes) continue;
      even[i] = rest_of(even[i]);
      odd[i] = rest_of(odd[i]);
    }
    if constexpr (kDepthIsRow != kByDepth) transpose_block(block);
    for (std::int64_t i = 0; i < kTile; ++i) _mm512_store_si512(out + plane * kPlaneBytes + i * 64, block[i]);
  }
}

// The same of bfloat16 numbers, which are their own only plane.
template <int kPlanes, bool kDepthIsRow, bool kByDepth>
CADDIE_INLINE void pack_tile(const std::uint16_t* source, std::int64_t ld, std::int64_t lines, std::int64_t depth,
                             char* out) {
  static_assert(kPlanes == 1);
  __m512i block[kTile];
  for (std::int64_t i = 0; i < kTile; ++i) {
    if constexpr (kDepthIsRow) {
      const __m512i even = load_row(source + 2 * i * ld, 2 * i < depth ? lines : 0);
      const __m512i odd = load_row(source + (2 * i + 1) * ld, 2 * i + 1 < depth ? lines : 0);
      block[i] = _mm512_or_si512(even, _mm512_maskz_slli_epi32(0xffff, odd, 16));
    } else {
      const std::int64_t n = i < lines ? depth : 0;
      const __mmask32 mask = n >= kDepth ? ~0U : (1U << n) - 1U;
      block[i] = _mm512_maskz_loadu_epi16(mask, source + i * ld);
    }
  }
  if constexpr (kDepthIsRow != kByDepth) transpose_block(block);
  for (std::int64_t i = 0; i < kTile; ++i) _mm512_store_si512(out + i * 64, block[i]);
}

// Panels one after the other. Where rows run along the lines, all panels take their part of a row while its page is at
// hand.
template <int kPlanes, bool kDepthIsRow, bool kByDepth, class Number>
CADDIE_INLINE void pack(const Number* source, std::int64_t ld, std::int64_t depth, std::int64_t lines, char* packed) {
  const auto one = [&](std::int64_t line, std::int64_t k) {
    char* out = packed + line / kPanel * panel_bytes<kPlanes>(depth) + k / kDepth * kStepBytes<kPlanes>;
    for (std::int64_t tile = 0; tile < 2; ++tile) {
      const std::int64_t first = line + tile * kTile;
      pack_tile<kPlanes, kDepthIsRow, kByDepth>(kDepthIsRow ? source + k * ld + first : source + first * ld + k, ld,
                                                most(0, least(kTile, lines - first)), least(kDepth, depth - k),
                                                out + tile * kTileBytes);
    }
  };
  if constexpr (kDepthIsRow) {
    for (std::int64_t k = 0; k < depth; k += kDepth) {
      for (std::int64_t line = 0; line < lines; line += kPanel) one(line, k);
    }
  } else {
    for (std::int64_t line = 0; line < lines; line += kPanel) {
      for (std::int64_t k = 0; k < depth; k += kDepth) one(line, k);
    }
  }
}

// Rows of A: from a[row * lda + k], or a[k * lda + row] if transposed.
template <int kPlanes, class Number>
void pack_rows(const Number* a, std::int64_t lda, bool transposed, std::int64_t rows, std::int64_t depth, char* out) {
  (transposed ? pack<kPlanes, true, false, Number> : pack<kPlanes, false, false, Number>)(a, lda, depth, rows, out);
}
// Columns of B: from b[k * ldb + column], or b[column * ldb + k] if transposed.
template <int kPlanes, class Number>
void pack_columns(const Number* b, std::int64_t ldb, bool transposed, std::int64_t depth, std::int64_t columns,
                  char* out) {
  (transposed ? pack<kPlanes, false, true, Number> : pack<kPlanes, true, true, Number>)(b, ldb, depth, columns, out);
}

// ---- the unit -------------------------------------------------------------------------------------------------------

// Tiles 0 to 3: C, two by two; 4 and 5: A; 6 and 7: B.
CADDIE_INLINE void load_a(const char* plane) {
  _tile_loadd(4, plane, 64);
  _tile_loadd(5, plane + kTileBytes, 64);
}
CADDIE_INLINE void load_b(const char* plane) {
  _tile_loadd(6, plane, 64);
  _tile_loadd(7, plane + kTileBytes, 64);
}
// `kLines` lines of 64 bytes are fetched into L1 beside each of the four products.
template <int kLines>
CADDIE_INLINE void multiply_tiles(const char*& ahead) {
  const auto fetch = [&] {
#pragma GCC unroll 16
    for (int i = 0; i < kLines; ++i, ahead += 64) _mm_prefetch(ahead, _MM_HINT_NTA);
  };
  _tile_dpbf16ps(0, 4, 6);
  fetch();
  _tile_dpbf16ps(1, 4, 7);
  fetch();
  _tile_dpbf16ps(2, 5, 6);
  fetch();
  _tile_dpbf16ps(3, 5, 7);
  fetch();
}

// One step of the depth: small products first. With kFetch the step at `ahead` is brought into L1 meanwhile: tiles that
// are loaded from L2 hold the unit up, half of the time if nothing is fetched.
template <int kPlanes, bool kFetch = false>
CADDIE_INLINE void multiply_step(const char* a, const char* b, const char* ahead = nullptr) {
  static_assert(kPlanes == 1 || !kFetch);
  constexpr int kLines = kFetch ? kPlaneBytes / 64 / 4 : 0;
  if constexpr (kPlanes == 1) {
    load_a(a);
    load_b(b);
    multiply_tiles<kLines>(ahead);
  } else {
    load_a(a + 2 * kPlaneBytes);
    load_b(b);
    multiply_tiles<kLines>(ahead);  // l h
    load_a(a + kPlaneBytes);
    multiply_tiles<kLines>(ahead);  // m h
    load_b(b + kPlaneBytes);
    multiply_tiles<kLines>(ahead);  // m m
    load_a(a);
    multiply_tiles<kLines>(ahead);  // h m
    load_b(b + 2 * kPlaneBytes);
    multiply_tiles<kLines>(ahead);  // h l
    load_b(b);
    multiply_tiles<kLines>(ahead);  // h h
  }
}

CADDIE_INLINE void load_c(const float* c, std::int64_t ldc) {
  const auto bytes = static_cast<int>(ldc * 4);
  _tile_loadd(0, c, bytes);
  _tile_loadd(1, c + kTile, bytes);
  _tile_loadd(2, c + kTile * ldc, bytes);
  _tile_loadd(3, c + kTile * ldc + kTile, bytes);
}
CADDIE_INLINE void clear_c() {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}
CADDIE_INLINE void store_c(float* c, std::int64_t ldc) {
  const auto bytes = static_cast<int>(ldc * 4);
  _tile_stored(0, c, bytes);
  _tile_stored(1, c + kTile, bytes);
  _tile_stored(2, c + kTile * ldc, bytes);
  _tile_stored(3, c + kTile * ldc + kTile, bytes);
}

}  // namespace caddie::cpu::CADDIE_ISA
