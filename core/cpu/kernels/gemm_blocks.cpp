#include "core/cpu/kernels/gemm_blocks.hpp"

#include <algorithm>

namespace caddie::cpu {
namespace {

constexpr std::int64_t kBlockColumns = 1024;  // columns of C that are finished before the next rows

}  // namespace

std::int64_t depth_block(const GemmTable& table, std::int64_t k) {
  if (k <= table.most_depth) return std::max<std::int64_t>(k, 1);
  return round_up(ceil_div(k, ceil_div(k, table.most_depth)), std::max<std::int64_t>(16, table.depth_unit));
}

std::int64_t packed_floats(const GemmTable& table, std::int64_t lines, std::int64_t depth) {
  return lines * table.line_floats + ceil_div(lines * round_up(depth, table.depth_unit) * table.halves, 2);
}

std::int64_t packed_floats(const GemmTable& table, std::int64_t lines, std::int64_t depth, std::int64_t block) {
  const std::int64_t rest = depth % block;
  return depth / block * packed_floats(table, lines, block) + (rest > 0 ? packed_floats(table, lines, rest) : 0);
}

std::int64_t packed_a_floats(const GemmTable& table, std::int64_t block) {
  return round_up(packed_floats(table, table.block_tiles * table.tile_rows, block), 16);
}

std::int64_t packed_b_offset(const GemmTable& table, std::int64_t n, const DepthRange& depth, std::int64_t k,
                             std::int64_t column) {
  const std::int64_t length = std::min(depth.block, depth.end - k);
  return packed_floats(table, round_up(n, table.tile_columns), k - depth.begin, depth.block) +
         packed_floats(table, column, length);
}

Rectangle part_of(const GemmTable& table, std::int64_t m, std::int64_t n, std::int64_t row_parts,
                  std::int64_t column_parts, std::int64_t index) {
  const auto cut = [](std::int64_t size, std::int64_t unit, std::int64_t parts, std::int64_t i) {
    return std::min(size, ceil_div(size, unit) * i / parts * unit);
  };
  const std::int64_t i = index / column_parts;
  const std::int64_t j = index % column_parts;
  Rectangle part;
  part.row = cut(m, table.tile_rows, row_parts, i);
  part.rows = cut(m, table.tile_rows, row_parts, i + 1) - part.row;
  part.column = cut(n, table.tile_columns, column_parts, j);
  part.columns = cut(n, table.tile_columns, column_parts, j + 1) - part.column;
  return part;
}

namespace {

// The part of A that is packed after the block of rows [i, i + rows) and depth [k, k + length).
Upcoming next_block(const Operand& a, const Rectangle& part, const DepthRange& depth, std::int64_t i, std::int64_t k,
                    std::int64_t block_rows) {
  k += depth.block;
  if (k >= depth.end) {
    k = depth.begin;
    i += block_rows;
    if (i >= part.row + part.rows) return {};
  }
  const std::int64_t rows = std::min(block_rows, part.row + part.rows - i);
  const std::int64_t length = std::min(depth.block, depth.end - k);
  const Operand from = behind(a, a.transposed ? k * a.ld + i : i * a.ld + k);
  const std::int64_t runs = a.transposed ? length : rows;
  const std::int64_t elements = a.transposed ? rows : length;
  if (from.narrow != nullptr) return {reinterpret_cast<const char*>(from.narrow), runs, 2 * elements, 2 * a.ld};
  return {reinterpret_cast<const char*>(from.data), runs, 4 * elements, 4 * a.ld};
}

}  // namespace

Operand behind(Operand operand, std::int64_t elements) {
  if (operand.narrow != nullptr) {
    operand.narrow += elements;
  } else {
    operand.data += elements;
  }
  return operand;
}

void pack_rows_of_a(const GemmTable& table, const Operand& a, std::int64_t row, std::int64_t k, std::int64_t rows,
                    std::int64_t depth, float* out) {
  const Operand from = behind(a, a.transposed ? k * a.ld + row : row * a.ld + k);
  if (from.narrow != nullptr) return table.pack_narrow_a(from.narrow, a.ld, a.transposed, rows, depth, out);
  table.pack_a(from.data, a.ld, a.transposed, rows, depth, out);
}

void pack_columns_of_b(const GemmTable& table, const Operand& b, std::int64_t column, std::int64_t k,
                       std::int64_t columns, std::int64_t depth, float* out) {
  const Operand from = behind(b, b.transposed ? column * b.ld + k : k * b.ld + column);
  if (from.narrow != nullptr) return table.pack_narrow_b(from.narrow, b.ld, b.transposed, depth, columns, out);
  table.pack_b(from.data, b.ld, b.transposed, depth, columns, out);
}

void multiply_rectangle(const GemmTable& table, const Operand& a, const float* packed_b, std::int64_t n,
                        const DepthRange& depth, const Rectangle& part, const Target& c, bool accumulate,
                        float* a_space, const Epilogue& epilogue) {
  const std::int64_t block_rows = table.block_tiles * table.tile_rows;
  const std::int64_t last_column = part.column + part.columns;
  const std::int64_t last_row = part.row + part.rows;
  for (std::int64_t j = part.column; j < last_column; j += kBlockColumns) {
    const std::int64_t columns = std::min(kBlockColumns, last_column - j);
    for (std::int64_t i = part.row; i < last_row; i += block_rows) {
      const std::int64_t rows = std::min(block_rows, last_row - i);
      const Target block = c.at(i - part.row, j - part.column);
      const Epilogue at = epilogue.at(i, j, c.ld);
      for (std::int64_t k = depth.begin; k < depth.end || k == depth.begin; k += depth.block) {
        const std::int64_t length = std::min(depth.block, depth.end - k);
        const bool add = accumulate || k > depth.begin;
        if (length > 0) pack_rows_of_a(table, a, i, k, rows, length, a_space);
        const float* panels = packed_b + packed_b_offset(table, n, depth, k, j);
        const std::int64_t stride = packed_floats(table, table.tile_columns, length);
        const Upcoming next = next_block(a, part, depth, i, k, block_rows);
        if (block.narrow != nullptr) {
          table.multiply_narrow(a_space, panels, stride, rows, columns, length, block.narrow, c.ld, next, at);
        } else {
          table.multiply(a_space, panels, stride, rows, columns, length, block.wide, c.ld, add, next,
                         k + depth.block >= depth.end ? at : Epilogue{});
        }
      }
    }
  }
}

}  // namespace caddie::cpu
