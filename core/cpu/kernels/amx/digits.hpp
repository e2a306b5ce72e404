// Operands of the tile unit in fixed point: float32 products by products of 8-bit integers, whose sums are exact.
//
// In a block of the depth, every line (row of A, column of B) has a scale of its own: x = scale * v with a 32-bit
// integer v, cut into four digits of eight bits, v = 2^24 d0 + 2^16 d1 + 2^8 d2 + d3 with digits from -128 to 127.
// (Ozaki, Ogita, Oishi and Rump 2012, "Error-free transformations of matrix multiplication by using fast routines of
// matrix multiplication"; Ootomo, Ozaki and Yokota 2024, "DGEMM on integer matrix multiplication unit".) Products of
// digits of one weight are summed together, as integers: the sums of level l are those of digits i and l - i.
//
// Usually three digits and their three highest levels are taken, six products: a line's numbers are then rounded to 24
// bits counted from its largest. That is as exact as sums in float32 as long as most numbers are not much smaller than
// the largest. The spread of a line is the ratio of its largest magnitude to its mean magnitude; an element of C whose
// row's spread times whose column's exceeds kMostSpread gets the fourth level as well, from all four digits. So each
// element depends on its row and its column alone, not on what is computed beside it.
//
// A line with NaN or infinity has the scale NaN. Magnitudes below 2^-90 are rounded to multiples of 2^-121.
#pragma once

#include "core/cpu/kernels/amx/tile_unit.hpp"

namespace caddie::cpu::CADDIE_ISA::digits {

constexpr std::int64_t kDigits = 4;
constexpr std::int64_t kUsual = 3;         // digits that are usually enough
constexpr std::int64_t kDepth = 64;        // numbers in a row of a tile
constexpr std::int64_t kMostDepth = 256;   // of a block: level sums are exact in float32 as well
constexpr float kMostSpread = 256.0F;

// A packed panel, of kTiles times 16 lines and a block of the depth:
//   [lines] scales, then [lines] spreads, float32
//   [steps of the depth][kTiles][3] tiles of digits
//   [steps][kTiles] tiles of last digits
template <int kTiles>
struct Panel {
  static constexpr std::int64_t kLines = kTiles * kTile;
  static constexpr std::int64_t kHead = 2 * kLines * 4;
  static constexpr std::int64_t kStepBytes = kTiles * kUsual * kTileBytes;

  char* base;
  std::int64_t steps;

  [[gnu::always_inline]] Panel(char* at, std::int64_t depth) : base(at), steps((depth + kDepth - 1) / kDepth) {}
  [[gnu::always_inline]] Panel(const float* at, std::int64_t depth)  // to be read only
      : Panel(const_cast<char*>(reinterpret_cast<const char*>(at)), depth) {}
  [[nodiscard, gnu::always_inline]] std::int64_t bytes() const { return kHead + steps * kTiles * kDigits * kTileBytes; }
  [[nodiscard, gnu::always_inline]] float* scales() const { return reinterpret_cast<float*>(base); }
  [[nodiscard, gnu::always_inline]] float* spreads() const { return scales() + kLines; }
  [[nodiscard, gnu::always_inline]] char* digits(std::int64_t step, std::int64_t tile = 0) const {
    return base + kHead + step * kStepBytes + tile * kUsual * kTileBytes;
  }
  [[nodiscard, gnu::always_inline]] char* last_digits(std::int64_t step, std::int64_t tile = 0) const {
    return base + kHead + steps * kStepBytes + (step * kTiles + tile) * kTileBytes;
  }
  [[nodiscard, gnu::always_inline]] char* tile_of(std::int64_t digit, std::int64_t step, std::int64_t tile) const {
    return digit < kUsual ? digits(step, tile) + digit * kTileBytes : last_digits(step, tile);
  }
};

// ---- numbers to digits ----------------------------------------------------------------------------------------------

constexpr float kLargest = 127.49F * 0x1p24F;  // of v; rounding makes its first digit 127 at most
constexpr std::uint32_t kInfinity = 0x7F800000U;
constexpr std::uint32_t kLeast = 0x12800000U;  // 2^-90, a smaller largest magnitude counts as this

CADDIE_INLINE __m512i magnitude_bits(__m512 x) {
  return _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7FFFFFFF));
}

// Of lines whose largest magnitudes have these bits.
struct Scales {
  __m512 factor;  // v = factor * x
  __m512 scale;   // x = scale * v / 2^24, times 2^-15 in A and 2^15 in B: the sums of large numbers stay in range
};
template <bool kIsA>
CADDIE_INLINE Scales scales_of(__m512i bits) {
  const __mmask16 finite = _mm512_cmplt_epu32_mask(bits, _mm512_set1_epi32(static_cast<int>(kInfinity)));
  const __m512 largest =
      _mm512_castsi512_ps(_mm512_max_epu32(bits, _mm512_set1_epi32(static_cast<int>(kLeast))));
  const __m512 nan = _mm512_castsi512_ps(_mm512_set1_epi32(0x7FC00000));
  constexpr float kUnit = (kIsA ? 0x1p-15F : 0x1p15F) * 0x1p24F / kLargest;
  return {_mm512_maskz_div_ps(finite, _mm512_set1_ps(kLargest), largest),
          _mm512_mask_mul_ps(nan, finite, largest, _mm512_set1_ps(kUnit))};
}

// Bytes of the result are digits, the last one lowest: adding 128 to three of them carries as it should.
CADDIE_INLINE __m512i digits_of(__m512 x, __m512 factor) {
  const __m512i half = _mm512_set1_epi32(0x00808080);
  return _mm512_xor_si512(_mm512_add_epi32(_mm512_cvtps_epi32(_mm512_mul_ps(x, factor)), half), half);
}

// Sums of the magnitudes of four digits each.
CADDIE_INLINE __m512i add_magnitudes(__m512i sums, __m512i first_digits) {
  return _mm512_dpbusd_epi32(sums, _mm512_abs_epi8(first_digits), _mm512_set1_epi8(1));
}

// From sums of the magnitudes of first digits; a line of zeros has none.
CADDIE_INLINE __m512 spread_of(__m512i sums, std::int64_t depth) {
  const __m512 mean = _mm512_cvtepi32_ps(sums);
  return _mm512_maskz_div_ps(_mm512_cmpgt_epi32_mask(sums, _mm512_setzero_si512()),
                             _mm512_set1_ps(127.0F * static_cast<float>(depth)), mean);
}

// 64 numbers of one line -> four rows of 64 digits. Quad q of vector v goes to lane 4 q + v.
CADDIE_INLINE void split_line(const __m512i (&v)[4], __m512i (&digit)[kDigits]) {
  const __m512i by_digit = _mm512_broadcast_i32x4(_mm_setr_epi8(3, 7, 11, 15, 2, 6, 10, 14, 1, 5, 9, 13, 0, 4, 8, 12));
  __m512i w[4];
  for (int i = 0; i < 4; ++i) w[i] = _mm512_shuffle_epi8(v[i], by_digit);
  const __m512i low01 = _mm512_unpacklo_epi32(w[0], w[1]);
  const __m512i low23 = _mm512_unpacklo_epi32(w[2], w[3]);
  const __m512i high01 = _mm512_unpackhi_epi32(w[0], w[1]);
  const __m512i high23 = _mm512_unpackhi_epi32(w[2], w[3]);
  digit[0] = _mm512_unpacklo_epi64(low01, low23);
  digit[1] = _mm512_unpackhi_epi64(low01, low23);
  digit[2] = _mm512_unpacklo_epi64(high01, high23);
  digit[3] = _mm512_unpackhi_epi64(high01, high23);
}
constexpr std::int64_t lane_of_quad(std::int64_t quad) { return quad % 4 * 4 + quad / 4; }  // of 16 quads of the depth

// Four numbers each of 16 lines -> each line's four digits of a kind.
CADDIE_INLINE void split_quad(const __m512i (&v)[4], __m512i (&digit)[kDigits]) {
  const auto low = [](__m512i a, __m512i b) {  // 16-bit halves (a low, b low)
    return _mm512_mask_blend_epi16(0xAAAAAAAAU, a, _mm512_slli_epi32(b, 16));
  };
  const auto high = [](__m512i a, __m512i b) {
    return _mm512_mask_blend_epi16(0xAAAAAAAAU, _mm512_srli_epi32(a, 16), b);
  };
  constexpr __mmask64 kOdd = 0xAAAAAAAAAAAAAAAAULL;
  const __m512i low02 = low(v[0], v[2]);
  const __m512i low13 = low(v[1], v[3]);
  const __m512i high02 = high(v[0], v[2]);
  const __m512i high13 = high(v[1], v[3]);
  digit[0] = _mm512_mask_blend_epi8(kOdd, _mm512_srli_epi16(high02, 8), high13);
  digit[1] = _mm512_mask_blend_epi8(kOdd, high02, _mm512_slli_epi16(high13, 8));
  digit[2] = _mm512_mask_blend_epi8(kOdd, _mm512_srli_epi16(low02, 8), low13);
  digit[3] = _mm512_mask_blend_epi8(kOdd, low02, _mm512_slli_epi16(low13, 8));
}

// ---- packing --------------------------------------------------------------------------------------------------------

CADDIE_INLINE void transpose_tile(char* tile) {
  __m512i block[kTile];
  std::memcpy(block, tile, sizeof block);
  transpose_block(block);
  std::memcpy(tile, block, sizeof block);
}

template <int kTiles>
CADDIE_INLINE void transpose_digits(const Panel<kTiles>& panel, std::int64_t step, std::int64_t tile) {
  for (std::int64_t digit = 0; digit < kDigits; ++digit) transpose_tile(panel.tile_of(digit, step, tile));
}

// 16 lines whose numbers lie side by side, of which `lines` are there, as tile `tile` of the panel. The lines behind
// them are fetched meanwhile: what processors fetch ahead by themselves ends with each line's part of the depth.
template <int kTiles, bool kIsA>
CADDIE_INLINE void pack_tile(const float* source, std::int64_t ld, std::int64_t depth, std::int64_t lines,
                             const Panel<kTiles>& panel, std::int64_t tile) {
  const auto depth_of = [=](std::int64_t line) { return line < lines ? depth : 0; };
  F lanes[kTile];  // bits of integers
  for (std::int64_t line = 0; line < kTile; ++line) {
    const float* numbers = source + line * ld;
    __m512i high[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
    for (std::int64_t k = 0; k < depth_of(line); k += 2 * kTile) {
      __builtin_prefetch(numbers + kTile * ld + k);
      __builtin_prefetch(numbers + kTile * ld + k + kTile);
      high[0] = _mm512_max_epu32(high[0], magnitude_bits(load_row(numbers + k, depth - k)));
      high[1] = _mm512_max_epu32(high[1], magnitude_bits(load_row(numbers + k + kTile, depth - k - kTile)));
    }
    lanes[line] = reinterpret_cast<F>(_mm512_max_epu32(high[0], high[1]));
  }
  const F largest = joined_lanes(lanes, [](F x, F y) {
    return reinterpret_cast<F>(_mm512_max_epu32(reinterpret_cast<__m512i>(x), reinterpret_cast<__m512i>(y)));
  });
  const Scales scales = scales_of<kIsA>(reinterpret_cast<__m512i>(largest));
  alignas(64) float factors[kTile];
  _mm512_store_ps(factors, scales.factor);
  for (std::int64_t line = 0; line < kTile; ++line) {
    const float* numbers = source + line * ld;
    const __m512 factor = _mm512_set1_ps(factors[line]);
    __m512i magnitudes = _mm512_setzero_si512();
    for (std::int64_t step = 0; step < panel.steps; ++step) {
      __m512i v[4];
      for (std::int64_t i = 0; i < 4; ++i) {
        const std::int64_t k = step * kDepth + i * kTile;
        v[i] = digits_of(load_row(numbers + k, depth_of(line) - k), factor);
      }
      __m512i digit[kDigits];
      split_line(v, digit);
      magnitudes = add_magnitudes(magnitudes, digit[0]);
      for (std::int64_t d = 0; d < kDigits; ++d) {
        _mm512_store_si512(panel.tile_of(d, step, tile) + line * 64, digit[d]);
      }
    }
    lanes[line] = reinterpret_cast<F>(magnitudes);
  }
  const F sums = joined_lanes(lanes, [](F x, F y) { return as_float(as_int(x) + as_int(y)); });
  _mm512_storeu_ps(panel.scales() + tile * kTile, scales.scale);
  _mm512_storeu_ps(panel.spreads() + tile * kTile, spread_of(reinterpret_cast<__m512i>(sums), depth));
}

template <int kTiles, bool kIsA>
inline void pack_lines(const float* source, std::int64_t ld, std::int64_t depth, std::int64_t lines, char* packed) {
  for (std::int64_t first = 0; first < lines; first += Panel<kTiles>::kLines) {
    const Panel<kTiles> panel(packed, depth);
    for (std::int64_t tile = 0; tile < kTiles; ++tile) {
      const std::int64_t line = first + tile * kTile;
      pack_tile<kTiles, kIsA>(source + line * ld, ld, depth, lines - line, panel, tile);
    }
    if constexpr (!kIsA) {
      for (std::int64_t step = 0; step < panel.steps; ++step) {
        for (std::int64_t tile = 0; tile < kTiles; ++tile) transpose_digits(panel, step, tile);
      }
    }
    packed += panel.bytes();
  }
}

constexpr std::int64_t kGroup = 8;  // tiles of lines whose part of a row is read while its page is at hand

// Bits of the largest magnitudes of kGroup times 16 lines whose numbers are `ld` apart; kIsWhole: all are there.
template <bool kIsWhole>
CADDIE_INLINE void largest_of_lines(const float* source, std::int64_t ld, std::int64_t depth, std::int64_t lines,
                                    __m512i (&largest)[kGroup]) {
  __m512i high[kGroup];
  for (std::int64_t t = 0; t < kGroup; ++t) high[t] = _mm512_setzero_si512();
  for (std::int64_t k = 0; k < depth; ++k) {
#pragma GCC unroll 8
    for (std::int64_t t = 0; t < kGroup; ++t) {
      const std::int64_t count = kIsWhole ? kTile : lines - t * kTile;
      high[t] = _mm512_max_epu32(high[t], magnitude_bits(load_row(source + k * ld + t * kTile, count)));
    }
  }
  for (std::int64_t t = 0; t < kGroup; ++t) largest[t] = high[t];
}

// 16 lines over a step of the depth; the sums of the magnitudes of their first digits grow.
template <int kTiles, bool kIsA>
CADDIE_INLINE void pack_columns_step(const float* source, std::int64_t ld, std::int64_t depth, std::int64_t lines,
                                     __m512 factor, const Panel<kTiles>& panel, std::int64_t step, std::int64_t tile,
                                     __m512i& magnitudes) {
  char* out[kDigits];
  for (std::int64_t d = 0; d < kDigits; ++d) out[d] = panel.tile_of(d, step, tile);
  for (std::int64_t quad = 0; quad < kTile; ++quad) {
    __m512i v[4];
    for (std::int64_t i = 0; i < 4; ++i) {
      const std::int64_t k = quad * 4 + i;
      v[i] = digits_of(load_row(source + k * ld, k < depth ? lines : 0), factor);
    }
    __m512i digit[kDigits];
    split_quad(v, digit);
    magnitudes = add_magnitudes(magnitudes, digit[0]);
    for (std::int64_t d = 0; d < kDigits; ++d) _mm512_store_si512(out[d] + lane_of_quad(quad) * 64, digit[d]);
  }
  if constexpr (kIsA) transpose_digits(panel, step, tile);
}

// Lines side by side: numbers of one line are `ld` apart.
template <int kTiles, bool kIsA>
inline void pack_columns(const float* source, std::int64_t ld, std::int64_t depth, std::int64_t lines, char* packed) {
  const std::int64_t panel_bytes = Panel<kTiles>(packed, depth).bytes();
  for (std::int64_t first = 0; first < lines; first += kGroup * kTile) {
    const std::int64_t count = least(kGroup * kTile, lines - first);
    const std::int64_t tiles = (count + kTile * kTiles - 1) / (kTile * kTiles) * kTiles;
    __m512i largest[kGroup];
    (count == kGroup * kTile ? largest_of_lines<true> : largest_of_lines<false>)(source + first, ld, depth, count,
                                                                                largest);
    Scales scales[kGroup];
    __m512i magnitudes[kGroup];
    for (std::int64_t t = 0; t < tiles; ++t) {
      scales[t] = scales_of<kIsA>(largest[t]);
      magnitudes[t] = _mm512_setzero_si512();
    }
    const auto panel_of = [&](std::int64_t t) {
      return Panel<kTiles>(packed + (first / kTile + t) / kTiles * panel_bytes, depth);
    };
    for (std::int64_t k = 0; k < depth; k += kDepth) {
      for (std::int64_t t = 0; t < tiles; ++t) {
        pack_columns_step<kTiles, kIsA>(source + k * ld + first + t * kTile, ld, depth - k,
                                        most(0, least(kTile, count - t * kTile)), scales[t].factor, panel_of(t),
                                        k / kDepth, t % kTiles, magnitudes[t]);
      }
    }
    for (std::int64_t t = 0; t < tiles; ++t) {
      const Panel<kTiles> panel = panel_of(t);
      _mm512_storeu_ps(panel.scales() + t % kTiles * kTile, scales[t].scale);
      _mm512_storeu_ps(panel.spreads() + t % kTiles * kTile, spread_of(magnitudes[t], depth));
    }
  }
}

}  // namespace caddie::cpu::CADDIE_ISA::digits
