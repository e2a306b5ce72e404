// Matrix products on the tile unit: float32 by three planes, or rounded to bfloat16 (tiles.hpp).
#include "core/cpu/kernels/amx/tiles.hpp"
#include "core/cpu/kernels/per_isa/epilogue.hpp"
#include "core/cpu/kernels/tables.hpp"

namespace caddie::cpu::CADDIE_ISA {
namespace {

template <int kPlanes, class Number>
void pack_a(const Number* a, std::int64_t lda, bool transposed, std::int64_t rows, std::int64_t depth, float* out) {
  pack_rows<kPlanes>(a, lda, transposed, rows, depth, reinterpret_cast<char*>(out));
}
template <int kPlanes, class Number>
void pack_b(const Number* b, std::int64_t ldb, bool transposed, std::int64_t depth, std::int64_t columns, float* out) {
  pack_columns<kPlanes>(b, ldb, transposed, depth, columns, reinterpret_cast<char*>(out));
}

// How far ahead of its use A is fetched into L1: panels of A follow each other.
template <int kPlanes>
constexpr std::int64_t kAhead = (kPlanes == 1 ? 3 : 1) * kStepBytes<kPlanes>;

// What is fetched while two panels are multiplied.
struct Fetching {
  Prefetcher& soon;
  Prefetcher& next_b;
  Prefetcher next_c;
};

// c[32][32] (+)= panel of A * panel of B.
template <int kPlanes>
CADDIE_INLINE void multiply_panels(const char* a, const char* b, std::int64_t steps, float* c, std::int64_t ldc,
                                   bool add, Fetching fetching) {
  if (add) {
    load_c(c, ldc);
  } else {
    clear_c();
  }
  for (std::int64_t step = 0; step < steps; ++step, a += kStepBytes<kPlanes>, b += kStepBytes<kPlanes>) {
    fetching.soon.step();
    fetching.next_b.step();
    fetching.next_c.step();
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

// make(a, b, i, j, height, width, fetching) for every 32 x 32 part of C, at (i, j), with its panels of A and B.
template <int kPlanes, class Number, class Make>
CADDIE_INLINE void for_parts(const float* packed_a, const float* packed_b, std::int64_t panel_stride, std::int64_t rows,
                             std::int64_t columns, std::int64_t steps, const Number* c, std::int64_t ldc,
                             const Upcoming& upcoming, Make make) {
  constexpr auto kBytes = static_cast<std::int64_t>(sizeof(Number));
  const std::int64_t panels = (rows + kPanel - 1) / kPanel;
  Prefetcher soon(upcoming, most((columns + kPanel - 1) / kPanel * panels * steps, 1));
  for (std::int64_t j = 0; j < columns; j += kPanel, packed_b += panel_stride) {
    const char* a = reinterpret_cast<const char*>(packed_a);
    const char* b = reinterpret_cast<const char*>(packed_b);
    const Upcoming panel{reinterpret_cast<const char*>(packed_b + panel_stride), j + kPanel < columns ? 1 : 0,
                         steps * kStepBytes<kPlanes>, 0};
    Prefetcher next_b(panel, most(panels * steps, 1));
    for (std::int64_t i = 0; i < rows; i += kPanel, a += steps * kStepBytes<kPlanes>) {
      const bool goes_on = i + 2 * kPanel <= rows;
      const Upcoming below{reinterpret_cast<const char*>(c + (i + kPanel) * ldc + j), goes_on ? kPanel : 0,
                           kBytes * kPanel, kBytes * ldc};
      make(a, b, i, j, least(kPanel, rows - i), least(kPanel, columns - j),
           Fetching{soon, next_b, Prefetcher(below, most(steps, 1))});
    }
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
  const auto make = [&](const char* a, const char* b, std::int64_t i, std::int64_t j, std::int64_t height,
                        std::int64_t width, const Fetching& fetching) {
    float* to = c + i * ldc + j;
    if (width == kPanel && height == kPanel) {
      multiply_panels<kPlanes>(a, b, steps, to, ldc, accumulate, fetching);
    } else {
      for (float& element : edge) element = 0.0F;
      if (accumulate) copy_block(to, ldc, height, width, edge, kPanel);
      multiply_panels<kPlanes>(a, b, steps, edge, kPanel, accumulate, fetching);
      copy_block(edge, kPanel, height, width, to, ldc);
    }
    if (finishes) finish(epilogue.at(i, j, ldc), height, width, to, ldc);
  };
  for_parts<kPlanes>(packed_a, packed_b, panel_stride, rows, columns, steps, c, ldc, upcoming, make);
}

void multiply_narrow(const float* packed_a, const float* packed_b, std::int64_t panel_stride, std::int64_t rows,
                     std::int64_t columns, std::int64_t depth, std::uint16_t* c, std::int64_t ldc,
                     const Upcoming& upcoming, const Epilogue& epilogue) {
  const TileUnit unit;
  const std::int64_t steps = (depth + kDepth - 1) / kDepth;
  alignas(64) float sums[kPanel * kPanel];
  const auto make = [&](const char* a, const char* b, std::int64_t i, std::int64_t j, std::int64_t height,
                        std::int64_t width, const Fetching& fetching) {
    multiply_panels<1>(a, b, steps, sums, kPanel, false, fetching);
    finish_rows(epilogue.at(i, j, ldc), height, width, {sums, kPanel, nullptr, c + i * ldc + j, ldc});
  };
  for_parts<1>(packed_a, packed_b, panel_stride, rows, columns, steps, c, ldc, upcoming, make);
}

template <int kPlanes>
constexpr GemmTable table_of(std::int64_t most_depth) {
  GemmTable table{.tile_rows = kPanel,
                  .tile_columns = kPanel,
                  .halves = kPlanes,
                  .depth_unit = kDepth,
                  .most_depth = most_depth,
                  .block_tiles = 16,
                  .pack_a = pack_a<kPlanes, float>,
                  .pack_b = pack_b<kPlanes, float>,
                  .multiply = multiply<kPlanes>,
                  .finish = finish};
  if (kPlanes > 1) return table;
  table.pack_narrow_a = pack_a<1, std::uint16_t>;
  table.pack_narrow_b = pack_b<1, std::uint16_t>;
  table.multiply_narrow = multiply_narrow;
  return table;
}

}  // namespace

extern const GemmTable gemm_table;
extern const GemmTable gemm_bf16_table;
const GemmTable gemm_table = table_of<3>(256);
const GemmTable gemm_bf16_table = table_of<1>(1024);

}  // namespace caddie::cpu::CADDIE_ISA
