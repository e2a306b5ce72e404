#include "core/cpu/kernels/gemm.hpp"

#include <algorithm>

#include "core/cpu/kernels/gemm_blocks.hpp"

namespace caddie::cpu {
namespace {

// Most floats of packed B that lie in the workspace at a time, for one product: what L2 holds. (Measured: with 16 MiB
// instead of 2 MiB, products with long sums take a quarter longer.)
constexpr std::int64_t kSharedFloats = std::int64_t{1} << 19;
constexpr std::int64_t kPrivateFloats = kSharedFloats;

// A small C with long sums would leave threads idle: the depth is cut into chunks that are summed in order. Decided by
// the shape alone because it shapes the rounding.
constexpr std::int64_t kChunkDepth = 1024;
constexpr std::int64_t kMostChunks = 16;
constexpr std::int64_t kSmallC = 64 * 64;

enum class Way {
  packed,     // B is given packed: one pass over the parts of all products
  shared,     // all threads pack a range of B, then share it
  per_batch,  // each thread does whole products
  chunks,     // partial sums over chunks of the depth
};

std::int64_t chunk_count(const Gemm& g) {
  const bool small = g.m * g.n <= kSmallC && g.k >= 2 * kChunkDepth;
  return small && g.batch == 1 && g.packed_b == nullptr ? std::min(g.k / kChunkDepth, kMostChunks) : 1;
}

Way choose(const Gemm& g, int threads) {
  if (g.packed_b != nullptr) return Way::packed;
  if (chunk_count(g) > 1) return Way::chunks;
  if (g.batch > 1 && (g.batch % threads == 0 || g.batch >= 4 * threads)) return Way::per_batch;
  return Way::shared;
}

// Depth of the range of B that is packed at a time: whole blocks, at most `floats` in all but never less than a block.
std::int64_t packed_range(const GemmTable& table, std::int64_t k, std::int64_t n, std::int64_t floats) {
  const std::int64_t block = depth_block(table, k);
  const std::int64_t width = round_up(n, table.tile_columns);
  const std::int64_t most = std::max<std::int64_t>(ceil_div(k, block), 1);
  const std::int64_t blocks = std::clamp<std::int64_t>(floats / packed_floats(table, width, block), 1, most);
  return blocks * block;
}

std::int64_t range_floats(const GemmTable& table, std::int64_t k, std::int64_t n, std::int64_t floats) {
  return round_up(packed_floats(table, round_up(n, table.tile_columns), packed_range(table, k, n, floats),
                                depth_block(table, k)), 16);
}

struct Grid {
  std::int64_t rows = 1;
  std::int64_t columns = 1;
};

// At most `parts` rectangles whose largest is smallest; wide ones where it does not matter.
Grid choose_grid(const GemmTable& table, std::int64_t m, std::int64_t n, std::int64_t parts) {
  const std::int64_t row_tiles = ceil_div(m, table.tile_rows);
  const std::int64_t column_tiles = ceil_div(n, table.tile_columns);
  Grid best;
  std::int64_t least = row_tiles * column_tiles;
  for (std::int64_t columns = 1; columns <= std::min(parts, column_tiles); ++columns) {
    const std::int64_t rows = std::min(parts / columns, row_tiles);
    const std::int64_t largest = ceil_div(row_tiles, rows) * ceil_div(column_tiles, columns);
    if (largest < least) {
      least = largest;
      best = {rows, columns};
    }
  }
  return best;
}

Operand item(const Operand& operand, std::int64_t batch) { return behind(operand, batch * operand.batch_stride); }

Target target(const Gemm& g, std::int64_t batch) {
  return Target{g.c, g.narrow_c, g.ldc}.at(0, batch * g.c_batch_stride);
}

Epilogue of_batch(const Gemm& g, std::int64_t batch) { return g.epilogue.at(batch * g.c_batch_stride, 0, 1); }

// Packs the panels of columns [column, column + columns) of depth [begin, end) of op(B).
void pack_range(const GemmTable& table, const Operand& b, std::int64_t n, const DepthRange& depth, std::int64_t column,
                std::int64_t columns, float* packed) {
  for (std::int64_t k = depth.begin; k < depth.end; k += depth.block) {
    const std::int64_t length = std::min(depth.block, depth.end - k);
    pack_columns_of_b(table, b, column, k, columns, length,
                      packed + packed_b_offset(table, n, depth, k, column));
  }
}

void pack_in_parallel(const GemmTable& table, const Operand& b, std::int64_t n, const DepthRange& depth,
                      ThreadPool& pool, float* packed) {
  const std::int64_t panels = ceil_div(n, table.tile_columns);
  const std::int64_t tasks = std::min<std::int64_t>(panels, pool.size());
  pool.run(tasks, [&](std::int64_t task) {
    const std::int64_t begin = panels * task / tasks * table.tile_columns;
    const std::int64_t end = std::min(n, panels * (task + 1) / tasks * table.tile_columns);
    pack_range(table, b, n, depth, begin, end - begin, packed);
  });
}

// Space of one thread: packed A, then (Way::per_batch and chunks) packed B.
std::int64_t private_floats(const Gemm& g, Way way) {
  const GemmTable& table = gemm_kernels(g.factors);
  if (way == Way::chunks) {  // chunks differ in depth, and so in their blocks: room for any
    const std::int64_t width = round_up(g.n, table.tile_columns);
    const std::int64_t deepest = table.most_depth;
    return packed_a_floats(table, deepest) +
           round_up(std::max(kPrivateFloats, packed_floats(table, width, deepest)), 16);
  }
  const std::int64_t packed_a = packed_a_floats(table, depth_block(table, g.k));
  return way == Way::per_batch ? packed_a + range_floats(table, g.k, g.n, kPrivateFloats) : packed_a;
}

std::int64_t common_floats(const Gemm& g, Way way) {
  if (way == Way::shared) return range_floats(gemm_kernels(g.factors), g.k, g.n, kSharedFloats);
  if (way == Way::chunks) return round_up(chunk_count(g) * g.m * g.n, 16);
  return 0;
}

void run_packed(const Gemm& g, ThreadPool& pool, float* space, std::int64_t space_stride) {
  const GemmTable& table = gemm_kernels(g.factors);
  const Grid grid = choose_grid(table, g.m, g.n, ceil_div(pool.size(), g.batch));
  const std::int64_t parts = grid.rows * grid.columns;
  pool.run(g.batch * parts, [&](std::int64_t task, int thread) {
    const std::int64_t batch = task / parts;
    const Rectangle part = part_of(table, g.m, g.n, grid.rows, grid.columns, task % parts);
    multiply_rectangle(table, item(g.a, batch), g.packed_b + batch * g.packed_b_stride, g.n,
                       {0, g.k, depth_block(table, g.k)}, part, target(g, batch).at(part.row, part.column),
                       g.accumulate, space + thread * space_stride, of_batch(g, batch));
  });
}

void run_shared(const Gemm& g, ThreadPool& pool, float* space, std::int64_t space_stride, float* packed) {
  const GemmTable& table = gemm_kernels(g.factors);
  const Grid grid = choose_grid(table, g.m, g.n, pool.size());
  const std::int64_t step = packed_range(table, g.k, g.n, kSharedFloats);
  for (std::int64_t batch = 0; batch < g.batch; ++batch) {
    for (std::int64_t k = 0; k < g.k || k == 0; k += step) {
      const DepthRange depth{k, std::min(g.k, k + step), depth_block(table, g.k)};
      pack_in_parallel(table, item(g.b, batch), g.n, depth, pool, packed);
      pool.run(grid.rows * grid.columns, [&](std::int64_t task, int thread) {
        const Rectangle part = part_of(table, g.m, g.n, grid.rows, grid.columns, task);
        multiply_rectangle(table, item(g.a, batch), packed, g.n, depth, part,
                           target(g, batch).at(part.row, part.column),
                           g.accumulate || k > 0, space + thread * space_stride,
                           depth.end == g.k ? of_batch(g, batch) : Epilogue{});
      });
    }
  }
}

// One product of depth k on the calling thread. space: packed A, then packed B.
void multiply_alone(const Operand& a, const Operand& b, const Gemm& g, std::int64_t k, const Target& c, bool accumulate,
                    float* space, const Epilogue& epilogue) {
  const GemmTable& table = gemm_kernels(g.factors);
  const std::int64_t block = depth_block(table, k);
  const std::int64_t step = packed_range(table, k, g.n, kPrivateFloats);
  float* packed = space + packed_a_floats(table, block);
  for (std::int64_t k0 = 0; k0 < k || k0 == 0; k0 += step) {
    const DepthRange depth{k0, std::min(k, k0 + step), block};
    pack_range(table, b, g.n, depth, 0, g.n, packed);
    multiply_rectangle(table, a, packed, g.n, depth, {0, 0, g.m, g.n}, c, accumulate || k0 > 0, space,
                       depth.end == k ? epilogue : Epilogue{});
  }
}

void run_per_batch(const Gemm& g, ThreadPool& pool, float* space, std::int64_t space_stride) {
  pool.run(g.batch, [&](std::int64_t batch, int thread) {
    multiply_alone(item(g.a, batch), item(g.b, batch), g, g.k, target(g, batch), g.accumulate,
                   space + thread * space_stride, of_batch(g, batch));
  });
}

Operand from_depth(const Operand& operand, bool depth_is_row, std::int64_t k) {
  return behind(operand, depth_is_row != operand.transposed ? k * operand.ld : k);
}

void run_chunks(const Gemm& g, ThreadPool& pool, float* space, std::int64_t space_stride, float* partial) {
  const std::int64_t chunks = chunk_count(g);
  pool.run(chunks, [&](std::int64_t chunk, int thread) {
    const std::int64_t begin = g.k * chunk / chunks;
    const std::int64_t end = g.k * (chunk + 1) / chunks;
    multiply_alone(from_depth(g.a, false, begin), from_depth(g.b, true, begin), g, end - begin,
                   {partial + chunk * g.m * g.n, nullptr, g.n}, false, space + thread * space_stride, {});
  });
  for (std::int64_t i = 0; i < g.m; ++i) {
    float* row = g.c + i * g.ldc;
    for (std::int64_t j = 0; j < g.n; ++j) {
      float sum = partial[i * g.n + j];
      for (std::int64_t chunk = 1; chunk < chunks; ++chunk) sum += partial[(chunk * g.m + i) * g.n + j];
      row[j] = g.accumulate ? row[j] + sum : sum;
    }
  }
  if (!g.epilogue.is_plain()) gemm_kernels(g.factors).finish(g.epilogue, g.m, g.n, g.c, g.ldc);
}

}  // namespace

bool takes_narrow(Factors factors) { return gemm_kernels(factors).pack_narrow_a != nullptr; }

bool makes_narrow(Factors factors, std::int64_t k) {
  const GemmTable& table = gemm_kernels(factors);
  return table.multiply_narrow != nullptr && k <= table.most_depth;
}

std::size_t gemm_workspace_bytes(const Gemm& g, int threads) {
  if (g.m <= 0 || g.n <= 0 || g.batch <= 0) return 0;
  const Way way = choose(g, threads);
  return static_cast<std::size_t>(private_floats(g, way) * threads + common_floats(g, way)) * sizeof(float);
}

namespace {

// C = activation(alpha (AB + beta / alpha C) + bias) instead: C is overwritten while the depth is not done.
Gemm with_addend_in_place(Gemm g, ThreadPool& pool) {
  const float factor = g.epilogue.beta / g.epilogue.alpha;
  if (factor != 1) {
    pool.run(g.batch, [&](std::int64_t batch) {
      gemm_kernels(g.factors).finish({.alpha = factor}, g.m, g.n, g.c + batch * g.c_batch_stride, g.ldc);
    });
  }
  g.accumulate = true;
  g.epilogue.addend = nullptr;
  return g;
}

}  // namespace

void gemm(const Gemm& asked, ThreadPool& pool, void* workspace) {
  if (asked.m <= 0 || asked.n <= 0 || asked.batch <= 0) return;
  const Gemm g = asked.c != nullptr && asked.epilogue.addend == asked.c ? with_addend_in_place(asked, pool) : asked;
  const Way way = choose(g, pool.size());
  float* space = static_cast<float*>(workspace);
  const std::int64_t stride = private_floats(g, way);
  float* common = space + stride * pool.size();
  switch (way) {
    case Way::packed: return run_packed(g, pool, space, stride);
    case Way::shared: return run_shared(g, pool, space, stride, common);
    case Way::per_batch: return run_per_batch(g, pool, space, stride);
    case Way::chunks: return run_chunks(g, pool, space, stride, common);
  }
}

std::size_t packed_b_bytes(Factors factors, std::int64_t k, std::int64_t n) {
  const GemmTable& table = gemm_kernels(factors);
  return static_cast<std::size_t>(
             round_up(packed_floats(table, round_up(n, table.tile_columns), k, depth_block(table, k)), 16)) *
         sizeof(float);
}

void pack_b(Factors factors, const Operand& b, std::int64_t k, std::int64_t n, ThreadPool& pool, float* packed) {
  const GemmTable& table = gemm_kernels(factors);
  pack_in_parallel(table, b, n, {0, k, depth_block(table, k)}, pool, packed);
}

}  // namespace caddie::cpu
