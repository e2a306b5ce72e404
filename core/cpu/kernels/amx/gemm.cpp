// Matrix products in float32 on the tile unit (AMX), which multiplies bfloat16 and sums in float32.
//
// A float32 number is exactly the sum of three bfloat16 numbers, its significand cut into 8 + 8 + 8 bits: x = h + m + l.
// Of the nine products of two such sums the six largest are taken; what is left out is below 2^-21 of |a b| in the worst
// case and 2^-24 on average, the size of the rounding of one float32 product. (Henry, Tang and Heinecke 2019,
// "Leveraging the bfloat16 artificial intelligence datatype for higher-precision computations".) Values that are not
// finite stay so, but an infinity may become NaN; parts below 2^-126 count as 0.
#include <cstdint>
#include <cstring>

#include "core/cpu/kernels/per_isa/prefetcher.hpp"
#include "core/cpu/kernels/per_isa/simd.hpp"
#include "core/cpu/kernels/tables.hpp"

namespace caddie::cpu {
namespace amx {
namespace {

constexpr std::int64_t kTile = 16;            // rows of a tile, and columns of C
constexpr std::int64_t kDepth = 32;           // bfloat16 numbers in a row of a tile
constexpr std::int64_t kPanel = 2 * kTile;    // rows or columns of a packed panel
constexpr std::int64_t kPlanes = 3;
constexpr std::int64_t kTileBytes = 1024;
constexpr std::int64_t kPlaneBytes = 2 * kTileBytes;             // two tiles side by side
constexpr std::int64_t kStepBytes = kPlanes * kPlaneBytes;       // of a panel, for kDepth of the depth

using F = __m512;

CADDIE_INLINE F cut(F x) {
  return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(static_cast<int>(0xFFFF0000U))));
}
// What is left after the first plane; 0 where x is not finite.
CADDIE_INLINE F rest_of(F x) {
  const __m512i exponent = _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7F800000));
  const __mmask16 finite = _mm512_cmpneq_epi32_mask(exponent, _mm512_set1_epi32(0x7F800000));
  return _mm512_maskz_sub_ps(finite, x, cut(x));
}
CADDIE_INLINE F load_row(const float* p, std::int64_t n) {  // the first n of 16, the others 0
  if (n >= kTile) return _mm512_loadu_ps(p);
  return n <= 0 ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(static_cast<__mmask16>((1U << n) - 1U), p);
}

// Upper halves of two vectors as pairs: lane j is (a[j], b[j]).
CADDIE_INLINE __m512i pairs(F a, F b) {
  const __m512i low = _mm512_maskz_srli_epi32(0xffff, _mm512_castps_si512(a), 16);  // masked: GCC 12 warns otherwise
  return _mm512_or_si512(low, _mm512_castps_si512(cut(b)));
}
// Upper halves of a, then of b: lane j is (ab[2j], ab[2j + 1]).
CADDIE_INLINE __m512i in_order(F a, F b) {
  alignas(64) static constexpr std::uint16_t kOdd[32] = {1,  3,  5,  7,  9,  11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31,
                                                         33, 35, 37, 39, 41, 43, 45, 47, 49, 51, 53, 55, 57, 59, 61, 63};
  return _mm512_permutex2var_epi16(_mm512_castps_si512(a), _mm512_load_si512(kOdd), _mm512_castps_si512(b));
}

CADDIE_INLINE void transpose_block(__m512i (&block)[kTile]) {
  avx512::F rows[kTile];
  std::memcpy(rows, block, sizeof rows);
  avx512::transpose(rows);
  std::memcpy(block, rows, sizeof rows);
}

// One tile in all planes: 16 lines (rows of A, columns of B) of 32 numbers along the depth, from element (line, k) at
// source[line * ld + k], or source[k * ld + line] if kDepthIsRow. Stored line by line, or if kByDepth by pairs along the
// depth; missing lines and depths are 0.
template <bool kDepthIsRow, bool kByDepth>
CADDIE_INLINE void pack_tile(const float* source, std::int64_t ld, std::int64_t lines, std::int64_t depth, char* out) {
  F even[kTile];
  F odd[kTile];
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
      block[i] = kDepthIsRow ? pairs(even[i], odd[i]) : in_order(even[i], odd[i]);
      if (plane + 1 == kPlanes) continue;
      even[i] = rest_of(even[i]);
      odd[i] = rest_of(odd[i]);
    }
    if constexpr (kDepthIsRow != kByDepth) transpose_block(block);
    for (std::int64_t i = 0; i < kTile; ++i) _mm512_store_si512(out + plane * kPlaneBytes + i * 64, block[i]);
  }
}

// Where rows run along the lines, all panels take their part of a row while its page is at hand.
template <bool kDepthIsRow, bool kByDepth>
void pack(const float* source, std::int64_t ld, std::int64_t depth, std::int64_t lines, float* packed) {
  const std::int64_t panel_bytes = (depth + kDepth - 1) / kDepth * kStepBytes;
  const auto one = [&](std::int64_t line, std::int64_t k) {
    char* out = reinterpret_cast<char*>(packed) + line / kPanel * panel_bytes + k / kDepth * kStepBytes;
    for (std::int64_t tile = 0; tile < 2; ++tile) {
      const std::int64_t first = line + tile * kTile;
      pack_tile<kDepthIsRow, kByDepth>(kDepthIsRow ? source + k * ld + first : source + first * ld + k, ld,
                                       avx512::most(0, avx512::least(kTile, lines - first)),
                                       avx512::least(kDepth, depth - k), out + tile * kTileBytes);
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

void pack_a(const float* a, std::int64_t lda, bool transposed, std::int64_t rows, std::int64_t depth, float* out) {
  (transposed ? pack<true, false> : pack<false, false>)(a, lda, depth, rows, out);
}

void pack_b(const float* b, std::int64_t ldb, bool transposed, std::int64_t depth, std::int64_t columns, float* out) {
  (transposed ? pack<false, true> : pack<true, true>)(b, ldb, depth, columns, out);
}

struct alignas(64) Configuration {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// Tiles 0 to 3: C, two by two; 4 and 5: A; 6 and 7: B.
CADDIE_INLINE void load_a(const char* plane) {
  _tile_loadd(4, plane, 64);
  _tile_loadd(5, plane + kTileBytes, 64);
}
CADDIE_INLINE void load_b(const char* plane) {
  _tile_loadd(6, plane, 64);
  _tile_loadd(7, plane + kTileBytes, 64);
}
CADDIE_INLINE void multiply_tiles() {
  _tile_dpbf16ps(0, 4, 6);
  _tile_dpbf16ps(1, 4, 7);
  _tile_dpbf16ps(2, 5, 6);
  _tile_dpbf16ps(3, 5, 7);
}

// c[32][32] (+)= panel of A * panel of B, small products first.
CADDIE_INLINE void multiply_panels(const char* a, const char* b, std::int64_t steps, float* c, std::int64_t ldc, bool add,
                                   avx512::Prefetcher& soon, avx512::Prefetcher next_c) {
  const auto bytes = static_cast<int>(ldc * 4);
  if (add) {
    _tile_loadd(0, c, bytes);
    _tile_loadd(1, c + kTile, bytes);
    _tile_loadd(2, c + kTile * ldc, bytes);
    _tile_loadd(3, c + kTile * ldc + kTile, bytes);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  for (std::int64_t step = 0; step < steps; ++step, a += kStepBytes, b += kStepBytes) {
    load_a(a + 2 * kPlaneBytes);
    load_b(b);
    multiply_tiles();  // l h
    soon.step();
    next_c.step();
    load_a(a + kPlaneBytes);
    multiply_tiles();  // m h
    load_b(b + kPlaneBytes);
    multiply_tiles();  // m m
    load_a(a);
    multiply_tiles();  // h m
    load_b(b + 2 * kPlaneBytes);
    multiply_tiles();  // h l
    load_b(b);
    multiply_tiles();  // h h
  }
  _tile_stored(0, c, bytes);
  _tile_stored(1, c + kTile, bytes);
  _tile_stored(2, c + kTile * ldc, bytes);
  _tile_stored(3, c + kTile * ldc + kTile, bytes);
}

void copy_block(const float* from, std::int64_t from_ld, std::int64_t rows, std::int64_t columns, float* to,
                std::int64_t to_ld) {
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) to[i * to_ld + j] = from[i * from_ld + j];
  }
}

void multiply(const float* packed_a, const float* packed_b, std::int64_t panel_stride, std::int64_t rows,
              std::int64_t columns, std::int64_t depth, float* c, std::int64_t ldc, bool accumulate, const Upcoming& upcoming) {
  static constexpr Configuration kConfiguration;
  _tile_loadconfig(&kConfiguration);
  const std::int64_t steps = (depth + kDepth - 1) / kDepth;
  alignas(64) float edge[kPanel * kPanel];
  const std::int64_t calls = (columns + kPanel - 1) / kPanel * ((rows + kPanel - 1) / kPanel) * steps;
  avx512::Prefetcher soon(upcoming, avx512::most(calls, 1));
  for (std::int64_t j = 0; j < columns; j += kPanel, packed_b += panel_stride) {
    const char* a = reinterpret_cast<const char*>(packed_a);
    const char* b = reinterpret_cast<const char*>(packed_b);
    const std::int64_t width = avx512::least(kPanel, columns - j);
    for (std::int64_t i = 0; i < rows; i += kPanel, a += steps * kStepBytes) {
      const std::int64_t height = avx512::least(kPanel, rows - i);
      float* to = c + i * ldc + j;
      const bool goes_on = i + 2 * kPanel <= rows;
      const Upcoming below{reinterpret_cast<const char*>(to + kPanel * ldc), goes_on ? kPanel : 0, 4 * kPanel, 4 * ldc};
      const avx512::Prefetcher next_c(below, avx512::most(steps, 1));
      if (width == kPanel && height == kPanel) {
        multiply_panels(a, b, steps, to, ldc, accumulate, soon, next_c);
        continue;
      }
      for (float& element : edge) element = 0.0F;
      if (accumulate) copy_block(to, ldc, height, width, edge, kPanel);
      multiply_panels(a, b, steps, edge, kPanel, accumulate, soon, next_c);
      copy_block(edge, kPanel, height, width, to, ldc);
    }
  }
  _tile_release();
}

}  // namespace

extern const GemmTable gemm_table;
const GemmTable gemm_table{.tile_rows = kPanel,
                           .tile_columns = kPanel,
                           .halves = kPlanes,
                           .depth_unit = kDepth,
                           .most_depth = 256,
                           .block_tiles = 16,
                           .pack_a = pack_a,
                           .pack_b = pack_b,
                           .multiply = multiply};

}  // namespace amx
}  // namespace caddie::cpu
