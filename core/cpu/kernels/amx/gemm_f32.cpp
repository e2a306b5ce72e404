// Matrix products in float32 on the tile unit, by digits (digits.hpp).
#include "core/cpu/kernels/amx/gemm_parts.hpp"
#include "core/cpu/kernels/amx/unfinished_sums.hpp"

namespace caddie::cpu::CADDIE_ISA {
namespace {

using digits::kDepth;
using digits::kDigits;
using RowPanel = digits::Panel<1>;
using ColumnPanel = digits::Panel<2>;
constexpr std::int64_t kRows = RowPanel::kLines;  // of a part of C
constexpr std::int64_t kColumns = ColumnPanel::kLines;

void pack_a(const float* a, std::int64_t lda, bool transposed, std::int64_t rows, std::int64_t depth, float* out) {
  (transposed ? digits::pack_columns<1, true> : digits::pack_lines<1, true>)(a, lda, depth, rows,
                                                                           reinterpret_cast<char*>(out));
}
void pack_b(const float* b, std::int64_t ldb, bool transposed, std::int64_t depth, std::int64_t columns, float* out) {
  (transposed ? digits::pack_lines<2, false> : digits::pack_columns<2, false>)(b, ldb, depth, columns,
                                                                             reinterpret_cast<char*>(out));
}

CADDIE_INLINE void load_a(const char* tile) { _tile_loadd(6, tile, 64); }
CADDIE_INLINE void load_b(const char* tile) { _tile_loadd(7, tile, 64); }

// A step of the depth, the three usual levels of 16 x 32 sums: tiles 0 to 2 and 3 to 5, one half of the columns each.
// Twice there is something to be done meanwhile.
template <class Meanwhile>
CADDIE_INLINE void multiply_usual(const char* a, const char* b, Meanwhile meanwhile) {
  const char* const right = b + digits::kUsual * kTileBytes;
  load_a(a);
  load_b(b);
  _tile_dpbssd(0, 6, 7);
  load_b(b + kTileBytes);
  _tile_dpbssd(1, 6, 7);
  load_b(b + 2 * kTileBytes);
  _tile_dpbssd(2, 6, 7);
  load_b(right);
  _tile_dpbssd(3, 6, 7);
  load_b(right + 2 * kTileBytes);
  _tile_dpbssd(5, 6, 7);
  load_b(right + kTileBytes);
  _tile_dpbssd(4, 6, 7);
  meanwhile();
  load_a(a + kTileBytes);
  _tile_dpbssd(5, 6, 7);
  load_b(right);
  _tile_dpbssd(4, 6, 7);
  load_b(b + kTileBytes);
  _tile_dpbssd(2, 6, 7);
  load_b(b);
  _tile_dpbssd(1, 6, 7);
  load_a(a + 2 * kTileBytes);
  _tile_dpbssd(2, 6, 7);
  load_b(right);
  _tile_dpbssd(5, 6, 7);
  meanwhile();
}

// The same of four levels and one half: tiles 0 to 3.
CADDIE_INLINE void multiply_all(const char* a, const char* last_a, const char* b, const char* last_b) {
  load_a(a);
  load_b(b);
  _tile_dpbssd(0, 6, 7);
  load_b(b + kTileBytes);
  _tile_dpbssd(1, 6, 7);
  load_b(last_b);
  _tile_dpbssd(3, 6, 7);
  load_b(b + 2 * kTileBytes);
  _tile_dpbssd(2, 6, 7);
  load_a(a + kTileBytes);
  _tile_dpbssd(3, 6, 7);
  load_b(b);
  _tile_dpbssd(1, 6, 7);
  load_b(b + kTileBytes);
  _tile_dpbssd(2, 6, 7);
  load_a(a + 2 * kTileBytes);
  _tile_dpbssd(3, 6, 7);
  load_b(b);
  _tile_dpbssd(2, 6, 7);
  load_a(last_a);
  _tile_dpbssd(3, 6, 7);
}

constexpr int kSumStride = LevelSums::kRow * 4;
using BesideSums = Beside<UnfinishedSums>;

// The sums of a part from usual digits.
CADDIE_INLINE void sum_usual(const RowPanel& a, const ColumnPanel& b, BesideSums& beside, LevelSums& sums) {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  for (std::int64_t step = 0; step < a.steps; ++step) {
    beside.fetch();
    multiply_usual(a.digits(step), b.digits(step), [&] { beside.before.step(); });
  }
  beside.before.complete();
  _tile_stored(0, sums.tile(0, 0), kSumStride);
  _tile_stored(1, sums.tile(0, 1), kSumStride);
  _tile_stored(2, sums.tile(0, 2), kSumStride);
  _tile_stored(3, sums.tile(1, 0), kSumStride);
  _tile_stored(4, sums.tile(1, 1), kSumStride);
  _tile_stored(5, sums.tile(1, 2), kSumStride);
}

// From all digits.
[[gnu::noinline]] void sum_all(const RowPanel& a, const ColumnPanel& b, BesideSums& beside, LevelSums& sums) {
  for (std::int64_t half = 0; half < 2; ++half) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (std::int64_t step = 0; step < a.steps; ++step) {
      beside.fetch();
      multiply_all(a.digits(step), a.last_digits(step), b.digits(step, half), b.last_digits(step, half));
      beside.before.step();
    }
    beside.before.complete();
    _tile_stored(0, sums.tile(half, 0), kSumStride);
    _tile_stored(1, sums.tile(half, 1), kSumStride);
    _tile_stored(2, sums.tile(half, 2), kSumStride);
    _tile_stored(3, sums.tile(half, 3), kSumStride);
  }
}

template <class Panel>
CADDIE_INLINE float largest_spread(const Panel& panel) {
  F spread = load(panel.spreads());
  for (std::int64_t i = kTile; i < Panel::kLines; i += kTile) spread = larger(spread, load(panel.spreads() + i));
  return _mm512_reduce_max_ps(reinterpret_cast<__m512>(spread));
}

// Panels of depth 0: scales of 0.
alignas(64) constexpr float kNothing[2 * kColumns] = {};

// C is made of parts of 16 x 32, down the columns, whose sums go through one of two buffers.
void multiply(const float* packed_a, const float* packed_b, std::int64_t panel_stride, std::int64_t rows,
              std::int64_t columns, std::int64_t depth, float* c, std::int64_t ldc, bool accumulate,
              const Upcoming& upcoming, const Epilogue& epilogue) {
  if (depth == 0) packed_a = packed_b = kNothing;
  const TileUnit unit;
  const std::int64_t steps = (depth + kDepth - 1) / kDepth;
  const std::int64_t panels = (rows + kRows - 1) / kRows;
  const std::int64_t rows_in_step = (kRows + most(steps, 1) - 1) / most(steps, 1);
  LevelSums sums[2];
  UnfinishedSums before(c, ldc, accumulate, epilogue, (rows_in_step + 1) / 2);
  int turn = 0;
  Prefetcher soon(upcoming, most((columns + kColumns - 1) / kColumns * panels * steps, 1));
  for (std::int64_t j = 0; j < columns; j += kColumns, packed_b += depth > 0 ? panel_stride : 0) {
    const ColumnPanel b(packed_b, depth);
    const float b_spread = largest_spread(b);
    const Upcoming next_panel{reinterpret_cast<const char*>(packed_b + panel_stride), j + kColumns < columns ? 1 : 0,
                              ColumnPanel::kHead + steps * ColumnPanel::kStepBytes, 0};
    Prefetcher next_b(next_panel, most(panels * steps, 1));
    RowPanel a(packed_a, depth);
    for (std::int64_t i = 0; i < rows; i += kRows) {
      const Part part{i, j, least(kRows, rows - i), least(kColumns, columns - j)};
      BesideSums beside{soon,         next_b, {c, ldc, part}, PartAhead::read_by(epilogue, ldc, part),
                        rows_in_step, before};
      const bool with_last = largest_spread(a) * b_spread > digits::kMostSpread;
      turn = 1 - turn;
      if (with_last) {
        sum_all(a, b, beside, sums[turn]);
      } else {
        sum_usual(a, b, beside, sums[turn]);
      }
      asm volatile("" : : "r"(&sums[turn]) : "memory");  // compilers do not know what the unit stores
      before.begin(part, sums[turn], with_last, a, b);
      if (depth > 0) a.base += a.bytes();
    }
  }
  before.complete();
  if (epilogue.before != nullptr) fence_stores();
}

}  // namespace

extern const GemmTable gemm_table;
const GemmTable gemm_table{.tile_rows = kRows,
                           .tile_columns = kColumns,
                           .halves = 2,
                           .line_floats = 2,
                           .depth_unit = kDepth,
                           .most_depth = digits::kMostDepth,
                           .block_tiles = 16,
                           .pack_a = pack_a,
                           .pack_b = pack_b,
                           .multiply = multiply,
                           .finish = finish};
static_assert(kDigits == 4);  // 32 bits an element

}  // namespace caddie::cpu::CADDIE_ISA
