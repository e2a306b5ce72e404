// The loops around the micro-kernel (after Goto and van de Geijn 2008, "Anatomy of high-performance matrix
// multiplication"): a panel of B stays in L1 while the panels of a block of A, which lies in L2, pass by. Written once
// for all kinds of words.
#pragma once

#include "core/cpu/kernels/per_isa/epilogue.hpp"
#include "core/cpu/kernels/per_isa/packing.hpp"
#include "core/cpu/kernels/per_isa/prefetcher.hpp"
#include "core/cpu/kernels/tables.hpp"

namespace caddie::cpu::CADDIE_ISA {

// The part of a matrix with C's strides where a tile stands, for reading or writing soon: into L2, as panels run
// through L1 until then.
template <int kWrites, class Number>
CADDIE_INLINE void fetch_tile(const Number* matrix, std::int64_t ld, std::int64_t rows) {
  constexpr std::int64_t kNumbersOfLine = 64 / sizeof(Number);
  if (matrix == nullptr) return;
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < kTileColumns; j += kNumbersOfLine) __builtin_prefetch(matrix + i * ld + j, kWrites, 2);
  }
}

CADDIE_INLINE Finishing finishing(const float* sums, std::int64_t ld, float* c, std::int64_t ldc) {
  return {sums, ld, c, nullptr, ldc};
}
CADDIE_INLINE Finishing finishing(const float* sums, std::int64_t ld, std::uint16_t* c, std::int64_t ldc) {
  return {sums, ld, nullptr, c, ldc};
}

// c[rows][width] (+)= the panels of A * one panel of B, then the epilogue; width <= kTileColumns. Tiles that are more
// than sums are finished while they lie in L1.
template <class Word, int kVectors, Old kOld, class Number>
void multiply_panel(const float* packed_a, const float* panel, std::int64_t rows, std::int64_t width,
                    std::int64_t words, Number* c, std::int64_t ldc, const Epilogue& epilogue, Prefetcher& soon,
                    Prefetcher next_panel) {
  constexpr bool kIsWide = sizeof(Number) == sizeof(float);
  alignas(64) float sums[kTileRows * kTileColumns];
  const bool finishes = !kIsWide || !epilogue.is_plain();
  const bool in_place = !finishes || kOld == Old::add;
  const std::int64_t in_last = width - (kVectors - 1) * kLanes;
  TileArgs t{words, packed_a, kTileRows, panel, kTileColumns, sums, kTileColumns, kLanes, nullptr};
  for (std::int64_t i = 0; i < rows; i += kTileRows, c += kTileRows * ldc, t.a += kTileRows * words) {
    const std::int64_t height = least(kTileRows, rows - i);
    soon.step();
    next_panel.step();
    fetch_tile<1>(c, ldc, height);
    const Epilogue of_tile = finishes ? epilogue.at(i, 0, ldc) : Epilogue{};
    fetch_tile<0>(of_tile.slope_at != nullptr ? of_tile.slope_at : of_tile.addend, ldc, height);
    fetch_tile<0>(of_tile.narrow_slope_at, ldc, height);
    if constexpr (kIsWide) {
      if (in_place) {
        t.c = c;
        t.ldc = ldc;
        t.last_lanes = in_last;
      }
    }
    tile_rows<Word, kVectors, 0, kOld>(height, t);
    if (finishes) finish_rows(of_tile, 0, height, width, finishing(t.c, t.ldc, c, ldc));
  }
}

// See GemmTable::multiply and multiply_narrow.
template <class Word, class Number>
void multiply(const float* packed_a, const float* packed_b, std::int64_t panel_stride, std::int64_t rows,
              std::int64_t columns, std::int64_t depth, Number* c, std::int64_t ldc, bool accumulate,
              const Upcoming& upcoming, const Epilogue& epilogue) {
  const std::int64_t words = words_of<Word>(depth);
  const std::int64_t tiles = (rows + kTileRows - 1) / kTileRows;
  Prefetcher soon(upcoming, most((columns + kTileColumns - 1) / kTileColumns * tiles, 1));
  for (std::int64_t j = 0; j < columns; j += kTileColumns, packed_b += panel_stride) {
    const std::int64_t width = least(kTileColumns, columns - j);
    const bool wide = width > kLanes;
    const auto run = wide ? (accumulate ? multiply_panel<Word, 2, Old::add, Number>
                                        : multiply_panel<Word, 2, Old::overwrite, Number>)
                          : (accumulate ? multiply_panel<Word, 1, Old::add, Number>
                                        : multiply_panel<Word, 1, Old::overwrite, Number>);
    const Upcoming panel{reinterpret_cast<const char*>(packed_b + panel_stride), j + kTileColumns < columns ? 1 : 0,
                         4 * kTileColumns * words, 0};
    run(packed_a, packed_b, rows, width, words, c + j, ldc, epilogue.at(0, j, ldc), soon,
        Prefetcher(panel, most(tiles, 1)));
  }
  if (epilogue.before != nullptr) fence_stores();
}

}  // namespace caddie::cpu::CADDIE_ISA
