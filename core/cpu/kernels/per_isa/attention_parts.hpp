// What the forward and the backward pass by multiply-adds share. Probabilities, [key][query], are at once the packed
// right-hand side of the next product.
#pragma once

#include "core/cpu/kernels/per_isa/attention_common.hpp"
#include "core/cpu/kernels/per_isa/micro_kernel.hpp"
#include "core/cpu/kernels/tables.hpp"

namespace caddie::cpu::CADDIE_ISA {

extern const GemmTable gemm_table;

namespace attention {

static_assert(kPanel == kTileColumns);
// Keys of one tile: a multiple of kTileRows under every instruction set.
constexpr std::int64_t kKeyTile = 126;

CADDIE_INLINE std::int64_t padded_rows(std::int64_t rows) { return (rows + kTileRows - 1) / kTileRows * kTileRows; }
CADDIE_INLINE std::int64_t padded_columns(std::int64_t n) {
  return (n + kTileColumns - 1) / kTileColumns * kTileColumns;
}

// `count` <= kPanel rows of length dim -> out[dim][kPanel] times scale; missing columns are 0.
inline void transpose_in(const float* rows, std::int64_t stride, std::int64_t count, std::int64_t dim, float scale,
                         float* out) {
  gemm_table.pack_b(rows, stride, true, dim, count, out);
  if (scale == 1.0F) return;
  for (std::int64_t i = 0; i < dim * kPanel; i += kLanes) store(out + i, load(out + i) * splat(scale));
}

// c[rows][kPanel] = packed A[rows][depth] * b[depth][kPanel] (overwrite), packed A in panels of kTileRows.
CADDIE_INLINE void panel_product(const float* packed_a, std::int64_t rows, std::int64_t depth, const float* b, float* c,
                                 std::int64_t ldc) {
  TileArgs t{depth, packed_a, kTileRows, b, kPanel, c, ldc, kLanes, nullptr};
  std::int64_t i = 0;
  for (; i + kTileRows <= rows; i += kTileRows) {
    tile<kTileRows, kPanelVectors, 0, Old::overwrite>(t);
    t.a += kTileRows * depth;
    t.c += kTileRows * ldc;
  }
  if (i < rows) tile_rows<kPanelVectors, 0, Old::overwrite, kTileRows - 1>(rows - i, t);
}

}  // namespace attention
}  // namespace caddie::cpu::CADDIE_ISA
