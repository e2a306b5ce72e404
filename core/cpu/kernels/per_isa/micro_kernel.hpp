// The register-blocked heart of every matrix product: a tile of kRows x (kVectors * kLanes) of C kept in registers
// while the words of the depth (words.hpp) run. Each element of C is one chain of multiply-adds in their order,
// whatever the tile around it; this is why results do not depend on how rows and columns are dealt to threads.
#pragma once

#include "core/cpu/kernels/per_isa/words.hpp"

namespace caddie::cpu::CADDIE_ISA {

#if defined(__AVX512F__)
constexpr int kTileRows = 14;  // 28 accumulators, 2 vectors of B, 1 broadcast of A: 31 of 32 registers
#else
constexpr int kTileRows = 6;  // 12 + 2 + 1 of 16
#endif
constexpr int kTileVectors = 2;
constexpr int kTileColumns = kTileVectors * kLanes;

// What becomes of the old content of C.
enum class Old { overwrite, add, scale_and_add };

struct TileArgs {
  std::int64_t words;       // of the depth; 0 is allowed
  const float* a;           // word (i, w) at a[i + w * a_stride], or a[i * kRowStride + w]
  std::int64_t a_stride;    // ignored when kRowStride > 0
  const float* b;           // vectors of kTileColumns words at b + w * b_stride, all readable
  std::int64_t b_stride;
  float* c;
  std::int64_t ldc;
  std::int64_t last_lanes;  // lanes of the last vector that exist in C, 1..kLanes
  const float* scale;       // Old::scale_and_add: C <- C * scale[column] + product
};

// kRowStride 0: A is stored word by word (packed panels); else row by row with that constant stride.
template <class Word, int kRows, int kVectors, int kRowStride, Old kOld>
CADDIE_INLINE void tile(const TileArgs& t) {
  F acc[kRows][kVectors];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) acc[i][v] = F{};
  }
  if constexpr (kOld == Old::scale_and_add) {
    F scale[kVectors];
    for (int v = 0; v < kVectors; ++v) scale[v] = load(t.scale + v * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) acc[i][v] = load(t.c + i * t.ldc + v * kLanes) * scale[v];
    }
  }
  const float* a = t.a;
  const float* b = t.b;
  for (std::int64_t w = 0; w < t.words; ++w) {
    F bv[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) bv[v] = load(b + v * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const F ai = Word::broadcast(kRowStride > 0 ? a + i * kRowStride : a + i);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) acc[i][v] = Word::multiply_add(ai, bv[v], acc[i][v]);
    }
    a += kRowStride > 0 ? 1 : t.a_stride;
    b += t.b_stride;
  }
  const bool full = t.last_lanes == kLanes;
  constexpr int kWhole = kVectors - 1;
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
    float* row = t.c + i * t.ldc;
#pragma GCC unroll 4
    for (int v = 0; v < kWhole; ++v) {
      store(row + v * kLanes, kOld == Old::add ? load(row + v * kLanes) + acc[i][v] : acc[i][v]);
    }
    float* last = row + kWhole * kLanes;
    if (full) {
      store(last, kOld == Old::add ? load(last) + acc[i][kWhole] : acc[i][kWhole]);
    } else {
      const std::int64_t n = t.last_lanes;
      store_first(last, kOld == Old::add ? load_first(last, n) + acc[i][kWhole] : acc[i][kWhole], n);
    }
  }
}

// tile() with the number of rows, 1..kTileRows, chosen at run time.
template <class Word, int kVectors, int kRowStride, Old kOld, int kRows = kTileRows>
inline void tile_rows(std::int64_t rows, const TileArgs& t) {
  if constexpr (kRows >= 1) {
    if (rows == kRows) {
      tile<Word, kRows, kVectors, kRowStride, kOld>(t);
    } else {
      tile_rows<Word, kVectors, kRowStride, kOld, kRows - 1>(rows, t);
    }
  }
}

}  // namespace caddie::cpu::CADDIE_ISA
