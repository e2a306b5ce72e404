// Matrix products of factors in bfloat16 on the tile unit (planes.hpp).
#include "core/cpu/kernels/amx/gemm_parts.hpp"
#include "core/cpu/kernels/amx/planes.hpp"
#include "core/cpu/kernels/amx/unfinished_part.hpp"
#include "core/cpu/kernels/tables.hpp"

namespace caddie::cpu::CADDIE_ISA {
namespace {

template <class Number>
void pack_a(const Number* a, std::int64_t lda, bool transposed, std::int64_t rows, std::int64_t depth, float* out) {
  pack_rows<1>(a, lda, transposed, rows, depth, reinterpret_cast<char*>(out));
}
template <class Number>
void pack_b(const Number* b, std::int64_t ldb, bool transposed, std::int64_t depth, std::int64_t columns, float* out) {
  pack_columns<1>(b, ldb, transposed, depth, columns, reinterpret_cast<char*>(out));
}

// How far ahead of its use A is fetched into L1: panels of A follow each other.
constexpr std::int64_t kAhead = 3 * kStepBytes<1>;

// The unit's C += panel of A * panel of B.
CADDIE_INLINE void multiply_panels(const char* a, const char* b, std::int64_t steps,
                                   Beside<UnfinishedPart> beside) {
  for (std::int64_t step = 0; step < steps; ++step, a += kStepBytes<1>, b += kStepBytes<1>) {
    beside.fetch();
    multiply_step<1, true>(a, b, a + kAhead);
    beside.before.step();
  }
}

bool is_whole(const Part& part) { return part.height == kPanel && part.width == kPanel; }

// The unit's C = the part of c.
void load_part(const float* c, std::int64_t ldc, const Part& part) {
  if (is_whole(part)) return load_c(c, ldc);
  alignas(64) float edge[kPanel * kPanel] = {};
  for (std::int64_t i = 0; i < part.height; ++i) {
    for (std::int64_t j = 0; j < part.width; ++j) edge[i * kPanel + j] = c[i * ldc + j];
  }
  asm volatile("" : : "r"(edge) : "memory");  // compilers do not know that the unit reads it
  load_c(edge, kPanel);
}

Finishing finishing(const float* sums, float* to, std::int64_t ldc) { return {sums, kPanel, to, nullptr, ldc}; }
Finishing finishing(const float* sums, std::uint16_t* to, std::int64_t ldc) { return {sums, kPanel, nullptr, to, ldc}; }

// C is made of 32 x 32 parts, down the columns. Parts that are more than sums go through one of two buffers.
template <class Number>
CADDIE_INLINE void multiply_into(const float* packed_a, const float* packed_b, std::int64_t panel_stride,
                                 std::int64_t rows, std::int64_t columns, std::int64_t depth, Number* c,
                                 std::int64_t ldc, bool accumulate, const Upcoming& upcoming,
                                 const Epilogue& epilogue) {
  constexpr bool kIsWide = sizeof(Number) == sizeof(float);
  const bool only_sums = kIsWide && epilogue.is_plain();
  const TileUnit unit;
  const std::int64_t steps = (depth + kDepth - 1) / kDepth;
  const std::int64_t panels = (rows + kPanel - 1) / kPanel;
  const std::int64_t rows_in_step = (kPanel + steps - 1) / most(steps, 1);
  const auto part_at = [&](std::int64_t i, std::int64_t j) {
    return Part{i, j, least(kPanel, rows - i), least(kPanel, columns - j)};
  };
  alignas(64) float sums[2][kPanel * kPanel];
  UnfinishedPart before;
  int turn = 0;
  Prefetcher soon(upcoming, most((columns + kPanel - 1) / kPanel * panels * steps, 1));
  for (std::int64_t j = 0; j < columns; j += kPanel, packed_b += panel_stride) {
    const char* a = reinterpret_cast<const char*>(packed_a);
    const char* b = reinterpret_cast<const char*>(packed_b);
    const Upcoming panel{reinterpret_cast<const char*>(packed_b + panel_stride), j + kPanel < columns ? 1 : 0,
                         steps * kStepBytes<1>, 0};
    Prefetcher next_b(panel, most(panels * steps, 1));
    for (std::int64_t i = 0; i < rows; i += kPanel, a += steps * kStepBytes<1>) {
      const Part part = part_at(i, j);
      // What is stored by the unit or added to is touched with the next part, else this one is finished beside it.
      const Part next = i + kPanel < rows ? part_at(i + kPanel, j) : part_at(0, j + kPanel);
      const Part& touched = only_sums || accumulate ? next : part;
      Number* to = c + i * ldc + j;
      if constexpr (kIsWide) {
        if (accumulate) load_part(to, ldc, part);
      }
      if (!accumulate) clear_c();
      multiply_panels(a, b, steps,
                      {soon, next_b, {c, ldc, touched}, PartAhead::read_by(epilogue, ldc, part), rows_in_step, before});
      if constexpr (kIsWide) {
        if (only_sums && is_whole(part)) {
          store_c(to, ldc);
          continue;
        }
      }
      before.complete();
      turn = 1 - turn;
      store_c(sums[turn], kPanel);
      before = {epilogue.at(i, j, ldc), finishing(sums[turn], to, ldc), part.height, part.width, 2 * rows_in_step};
    }
  }
  before.complete();
  if (epilogue.before != nullptr) fence_stores();
}

void multiply(const float* packed_a, const float* packed_b, std::int64_t panel_stride, std::int64_t rows,
              std::int64_t columns, std::int64_t depth, float* c, std::int64_t ldc, bool accumulate,
              const Upcoming& upcoming, const Epilogue& epilogue) {
  multiply_into(packed_a, packed_b, panel_stride, rows, columns, depth, c, ldc, accumulate, upcoming, epilogue);
}

void multiply_narrow(const float* packed_a, const float* packed_b, std::int64_t panel_stride, std::int64_t rows,
                     std::int64_t columns, std::int64_t depth, std::uint16_t* c, std::int64_t ldc,
                     const Upcoming& upcoming, const Epilogue& epilogue) {
  multiply_into(packed_a, packed_b, panel_stride, rows, columns, depth, c, ldc, false, upcoming, epilogue);
}

}  // namespace

extern const GemmTable gemm_bf16_table;
const GemmTable gemm_bf16_table{.tile_rows = kPanel,
                                .tile_columns = kPanel,
                                .halves = 1,
                                .depth_unit = kDepth,
                                .most_depth = 1024,
                                .block_tiles = 16,
                                .pack_a = pack_a<float>,
                                .pack_b = pack_b<float>,
                                .multiply = multiply,
                                .finish = finish,
                                .pack_narrow_a = pack_a<std::uint16_t>,
                                .pack_narrow_b = pack_b<std::uint16_t>,
                                .multiply_narrow = multiply_narrow};

}  // namespace caddie::cpu::CADDIE_ISA
