// Packing and the loops around the micro-kernel (after Goto and van de Geijn 2008, "Anatomy of high-performance matrix
// multiplication"): a panel of B stays in L1 while the panels of a block of A, which lies in L2, pass by.
#include "core/cpu/kernels/per_isa/epilogue.hpp"
#include "core/cpu/kernels/per_isa/micro_kernel.hpp"
#include "core/cpu/kernels/per_isa/prefetcher.hpp"
#include "core/cpu/kernels/tables.hpp"

namespace caddie::cpu::CADDIE_ISA {
namespace {

// One row of a source whose rows are k, kWidth floats.
template <int kWidth>
CADDIE_INLINE void copy_row(const float* source, float* out) {
  constexpr int kWhole = kWidth / kLanes;
  constexpr int kRest = kWidth % kLanes;
  for (int v = 0; v < kWhole; ++v) store(out + v * kLanes, load(source + v * kLanes));
  if constexpr (kRest > 0) store_first(out + kWhole * kLanes, load_first(source + kWhole * kLanes, kRest), kRest);
}

// Panels of kWidth columns of a source whose rows are k -> out[panel][k][kWidth], the last one zero-padded. Several
// panels at a time: rows far apart share sets of the caches and cost a page each, so a row is used while it is at hand.
template <int kWidth>
void copy_panels(const float* source, std::int64_t ld, std::int64_t depth, std::int64_t columns, float* out) {
  constexpr std::int64_t kGroup = 10;
  const std::int64_t whole = columns / kWidth;
  for (std::int64_t first = 0; first < whole; first += kGroup) {
    const std::int64_t panels = least(kGroup, whole - first);
    for (std::int64_t k = 0; k < depth; ++k) {
      const float* from = source + k * ld + first * kWidth;
      float* to = out + (first * depth + k) * kWidth;
      for (std::int64_t p = 0; p < panels; ++p) copy_row<kWidth>(from + p * kWidth, to + p * kWidth * depth);
    }
  }
  const std::int64_t rest = columns - whole * kWidth;
  if (rest == 0) return;
  source += whole * kWidth;
  out += whole * kWidth * depth;
  for (std::int64_t k = 0; k < depth; ++k, source += ld, out += kWidth) {
    for (std::int64_t j = 0; j < rest; ++j) out[j] = source[j];
    for (std::int64_t j = rest; j < kWidth; ++j) out[j] = 0.0F;
  }
}

// One panel from a source whose rows are the panel's columns: source[j][k] -> out[k][kWidth], zero-padded.
template <int kWidth>
void transpose_panel(const float* source, std::int64_t ld, std::int64_t depth, std::int64_t width, float* out) {
  for (std::int64_t j = 0; j < kWidth; j += kLanes) {
    const std::int64_t rows = most(0, least(kLanes, width - j));       // that exist
    const std::int64_t lanes = least(kLanes, kWidth - j);              // that the panel has
    std::int64_t k = 0;
    for (; k + kLanes <= depth && rows > 0; k += kLanes) {
      F block[kLanes];
      for (int i = 0; i < kLanes; ++i) block[i] = i < rows ? load(source + (j + i) * ld + k) : F{};
      transpose(block);
      float* to = out + k * kWidth + j;
      if (lanes == kLanes) {
        for (int i = 0; i < kLanes; ++i) store(to + i * kWidth, block[i]);
      } else {
        for (int i = 0; i < kLanes; ++i) store_first(to + i * kWidth, block[i], lanes);
      }
    }
    for (; k < depth; ++k) {
      for (std::int64_t i = 0; i < lanes; ++i) out[k * kWidth + j + i] = i < rows ? source[(j + i) * ld + k] : 0.0F;
    }
  }
}

template <int kWidth>
void pack(const float* source, std::int64_t ld, bool rows_are_k, std::int64_t depth, std::int64_t columns, float* out) {
  if (rows_are_k) return copy_panels<kWidth>(source, ld, depth, columns, out);
  for (std::int64_t j = 0; j < columns; j += kWidth, out += kWidth * depth) {
    transpose_panel<kWidth>(source + j * ld, ld, depth, least(kWidth, columns - j), out);
  }
}

void pack_a(const float* a, std::int64_t lda, bool transposed, std::int64_t rows, std::int64_t depth, float* out) {
  pack<kTileRows>(a, lda, transposed, depth, rows, out);
}

void pack_b(const float* b, std::int64_t ldb, bool transposed, std::int64_t depth, std::int64_t columns, float* out) {
  pack<kTileColumns>(b, ldb, !transposed, depth, columns, out);
}

template <int kVectors, Old kOld>
void multiply_panel(const float* packed_a, std::int64_t rows, TileArgs t, Prefetcher& prefetcher,
                    Prefetcher next_panel) {
  std::int64_t i = 0;
  t.a = packed_a;
  for (; i + kTileRows <= rows; i += kTileRows) {
    prefetcher.step();
    next_panel.step();
    tile<kTileRows, kVectors, 0, kOld>(t);
    t.a += kTileRows * t.depth;
    t.c += kTileRows * t.ldc;
  }
  if (i < rows) tile_rows<kVectors, 0, kOld, kTileRows - 1>(rows - i, t);
}

void multiply(const float* packed_a, const float* packed_b, std::int64_t panel_stride, std::int64_t rows,
              std::int64_t columns, std::int64_t depth, float* c, std::int64_t ldc, bool accumulate,
              const Upcoming& upcoming, const Epilogue& epilogue) {
  const bool finishes = !epilogue.is_plain();
  const std::int64_t tiles = (columns + kTileColumns - 1) / kTileColumns * (rows / kTileRows);
  Prefetcher prefetcher(upcoming, most(tiles, 1));
  for (std::int64_t j = 0; j < columns; j += kTileColumns, packed_b += panel_stride) {
    const std::int64_t width = least(kTileColumns, columns - j);
    const bool wide = width > kLanes;
    const TileArgs t{.depth = depth,
                     .a = nullptr,
                     .a_stride = kTileRows,
                     .b = packed_b,
                     .b_stride = kTileColumns,
                     .c = c + j,
                     .ldc = ldc,
                     .last_lanes = wide ? width - kLanes : width,
                     .scale = nullptr};
    const auto run = wide ? (accumulate ? multiply_panel<2, Old::add> : multiply_panel<2, Old::overwrite>)
                          : (accumulate ? multiply_panel<1, Old::add> : multiply_panel<1, Old::overwrite>);
    const Upcoming panel{reinterpret_cast<const char*>(packed_b + panel_stride), j + kTileColumns < columns ? 1 : 0,
                         4 * kTileColumns * depth, 0};
    run(packed_a, rows, t, prefetcher, Prefetcher(panel, most(rows / kTileRows, 1)));
    if (finishes) finish(epilogue.at(0, j, ldc), rows, width, c + j, ldc);
  }
}

}  // namespace

extern const GemmTable gemm_table;
const GemmTable gemm_table{.tile_rows = kTileRows,
                           .tile_columns = kTileColumns,
                           .halves = 2,
                           .depth_unit = 1,
                           .most_depth = 384,
                           .block_tiles = 10,
                           .pack_a = pack_a,
                           .pack_b = pack_b,
                           .multiply = multiply,
                           .finish = finish};

}  // namespace caddie::cpu::CADDIE_ISA
