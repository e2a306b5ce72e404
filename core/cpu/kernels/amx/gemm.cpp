// Matrix products on the tile unit: float32 by three planes, or rounded to bfloat16 (tiles.hpp).
#include "core/cpu/kernels/amx/tiles.hpp"
#include "core/cpu/kernels/per_isa/epilogue.hpp"
#include "core/cpu/kernels/tables.hpp"

namespace caddie::cpu::CADDIE_ISA {
namespace {

template <int kPlanes>
void pack_a(const float* a, std::int64_t lda, bool transposed, std::int64_t rows, std::int64_t depth, float* out) {
  pack_rows<kPlanes>(a, lda, transposed, rows, depth, reinterpret_cast<char*>(out));
}
template <int kPlanes>
void pack_b(const float* b, std::int64_t ldb, bool transposed, std::int64_t depth, std::int64_t columns, float* out) {
  pack_columns<kPlanes>(b, ldb, transposed, depth, columns, reinterpret_cast<char*>(out));
}

// How far ahead of its use A is fetched into L1: panels of A follow each other.
template <int kPlanes>
constexpr std::int64_t kAhead = (kPlanes == 1 ? 3 : 1) * kStepBytes<kPlanes>;

// c[32][32] (+)= panel of A * panel of B.
template <int kPlanes>
CADDIE_INLINE void multiply_panels(const char* a, const char* b, std::int64_t steps, float* c, std::int64_t ldc, bool add,
                                   Prefetcher& soon, Prefetcher& next_b, Prefetcher next_c) {
  if (add) {
    load_c(c, ldc);
  } else {
    clear_c();
  }
  for (std::int64_t step = 0; step < steps; ++step, a += kStepBytes<kPlanes>, b += kStepBytes<kPlanes>) {
    soon.step();
    next_b.step();
    next_c.step();
    multiply_step<kPlanes, true>(a, b, a + kAhead<kPlanes>);
  }
  store_c(c, ldc);
}

void copy_block(const float* from, std::int64_t from_ld, std::int64_t rows, std::int64_t columns, float* to,
                std::int64_t to_ld) {
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) to[i * to_ld + j] = from[i * from_ld + j];
  }
}

template <int kPlanes>
void multiply(const float* packed_a, const float* packed_b, std::int64_t panel_stride, std::int64_t rows,
              std::int64_t columns, std::int64_t depth, float* c, std::int64_t ldc, bool accumulate,
              const Upcoming& upcoming, const Epilogue& epilogue) {
  const bool finishes = !epilogue.is_plain();
  const TileUnit unit;
  const std::int64_t steps = (depth + kDepth - 1) / kDepth;
  alignas(64) float edge[kPanel * kPanel];
  const std::int64_t panels = (rows + kPanel - 1) / kPanel;
  Prefetcher soon(upcoming, most((columns + kPanel - 1) / kPanel * panels * steps, 1));
  for (std::int64_t j = 0; j < columns; j += kPanel, packed_b += panel_stride) {
    const char* a = reinterpret_cast<const char*>(packed_a);
    const char* b = reinterpret_cast<const char*>(packed_b);
    const std::int64_t width = least(kPanel, columns - j);
    const Upcoming panel{reinterpret_cast<const char*>(packed_b + panel_stride), j + kPanel < columns ? 1 : 0,
                         steps * kStepBytes<kPlanes>, 0};
    Prefetcher next_b(panel, most(panels * steps, 1));
    for (std::int64_t i = 0; i < rows; i += kPanel, a += steps * kStepBytes<kPlanes>) {
      const std::int64_t height = least(kPanel, rows - i);
      float* to = c + i * ldc + j;
      const bool goes_on = i + 2 * kPanel <= rows;
      const Upcoming below{reinterpret_cast<const char*>(to + kPanel * ldc), goes_on ? kPanel : 0, 4 * kPanel, 4 * ldc};
      const Prefetcher next_c(below, most(steps, 1));
      if (width == kPanel && height == kPanel) {
        multiply_panels<kPlanes>(a, b, steps, to, ldc, accumulate, soon, next_b, next_c);
      } else {
        for (float& element : edge) element = 0.0F;
        if (accumulate) copy_block(to, ldc, height, width, edge, kPanel);
        multiply_panels<kPlanes>(a, b, steps, edge, kPanel, accumulate, soon, next_b, next_c);
        copy_block(edge, kPanel, height, width, to, ldc);
      }
      if (finishes) finish_part(epilogue, i, j, height, width, to, ldc);
    }
  }
}

template <int kPlanes>
constexpr GemmTable table_of(std::int64_t most_depth) {
  return {.tile_rows = kPanel,
          .tile_columns = kPanel,
          .halves = kPlanes,
          .depth_unit = kDepth,
          .most_depth = most_depth,
          .block_tiles = 16,
          .pack_a = pack_a<kPlanes>,
          .pack_b = pack_b<kPlanes>,
          .multiply = multiply<kPlanes>,
          .finish = finish};
}

}  // namespace

extern const GemmTable gemm_table;
extern const GemmTable gemm_bf16_table;
const GemmTable gemm_table = table_of<3>(256);
const GemmTable gemm_bf16_table = table_of<1>(1024);

}  // namespace caddie::cpu::CADDIE_ISA
