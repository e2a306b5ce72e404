// How a product is cut into blocks, and the product of one rectangle of C on one thread. Internal to the kernels;
// cross-entropy and gemm.cpp share it. Everything depends on the kernels that will run: gemm_kernels().
#pragma once

#include <cstdint>

#include "core/cpu/kernels/gemm.hpp"
#include "core/cpu/kernels/tables.hpp"

namespace caddie::cpu {

constexpr std::int64_t round_up(std::int64_t value, std::int64_t unit) { return (value + unit - 1) / unit * unit; }
constexpr std::int64_t ceil_div(std::int64_t value, std::int64_t unit) { return (value + unit - 1) / unit; }

// Depth of the blocks that [0, k) is cut into: nearly equal parts of at most most_depth. Part of the numeric contract:
// the sums of one block are added to C as a whole.
std::int64_t depth_block(const GemmTable& table, std::int64_t k);

// Floats that `lines` rows of A or columns of B take, whole tiles of them, packed to that depth: as one block, or cut
// into blocks.
std::int64_t packed_floats(const GemmTable& table, std::int64_t lines, std::int64_t depth);
std::int64_t packed_floats(const GemmTable& table, std::int64_t lines, std::int64_t depth, std::int64_t block);

// Floats of A that one thread packs at a time when the depth is cut into blocks of `block`.
std::int64_t packed_a_floats(const GemmTable& table, std::int64_t block);

// A rectangle of C. Rows are any; `column` is a multiple of the tile's columns.
struct Rectangle {
  std::int64_t row = 0;
  std::int64_t column = 0;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
};

// Part `index` of `row_parts` x `column_parts` nearly equal rectangles of whole tiles; may be empty.
Rectangle part_of(const GemmTable& table, std::int64_t m, std::int64_t n, std::int64_t row_parts,
                  std::int64_t column_parts, std::int64_t index);

// The blocks of the depth that one call works on: [begin, end) in steps of `block`.
struct DepthRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::int64_t block = 1;
};

// Offset, in floats, of the panel that holds column `column` (a multiple of the tile's columns) of the block that
// starts at depth k, in a matrix of n columns that is packed over the range.
std::int64_t packed_b_offset(const GemmTable& table, std::int64_t n, const DepthRange& depth, std::int64_t k,
                             std::int64_t column);

// Where a rectangle of C goes, in float32 or in bfloat16.
struct Target {
  float* wide = nullptr;
  std::uint16_t* narrow = nullptr;
  std::int64_t ld = 0;

  [[nodiscard]] Target at(std::int64_t row, std::int64_t column) const {
    const std::int64_t offset = row * ld + column;
    return narrow != nullptr ? Target{nullptr, narrow + offset, ld} : Target{wide + offset, nullptr, ld};
  }
};

// The operand from an element on, of its memory.
Operand behind(Operand operand, std::int64_t elements);
// Packs rows [row, row + rows) of op(A), or columns of op(B), for depths [k, k + depth).
void pack_rows_of_a(const GemmTable& table, const Operand& a, std::int64_t row, std::int64_t k, std::int64_t rows,
                    std::int64_t depth, float* out);
void pack_columns_of_b(const GemmTable& table, const Operand& b, std::int64_t column, std::int64_t k,
                       std::int64_t columns, std::int64_t depth, float* out);

// C[rectangle] (+)= op(A) * packed B over a range of the depth, on the calling thread. a points at element (0, 0) of
// the whole matrix, c at the first element of the rectangle, packed_b at the block depth.begin; n is the width of the
// whole B. a_space: packed_a_floats(...) floats. The epilogue belongs to the whole C.
void multiply_rectangle(const GemmTable& table, const Operand& a, const float* packed_b, std::int64_t n,
                        const DepthRange& depth, const Rectangle& part, const Target& c, bool accumulate,
                        float* a_space, const Epilogue& epilogue = {});

}  // namespace caddie::cpu
