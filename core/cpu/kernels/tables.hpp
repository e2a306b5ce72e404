// The functions that exist once for each instruction set, behind plain pointers. Internal to the kernels: callers use
// gemm.hpp, attention.hpp and so on. All run on the calling thread.
#pragma once

#include <cstdint>

#include "core/cpu/kernels/attention.hpp"

namespace caddie::cpu {

// Memory that will be read soon: `rows` runs of `bytes` each, `stride` bytes apart. Fetched into the L2 cache bit by bit
// while something else is computed; nothing is read if `rows` is 0.
struct Upcoming {
  const char* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t bytes = 0;
  std::int64_t stride = 0;
};

// Matrices are row-major; a transposed operand is stored as its transpose.
struct GemmTable {
  std::int64_t tile_rows;
  std::int64_t tile_columns;

  // rows x depth block of op(A) -> panels of tile_rows rows, each k-major: [panel][k][tile_rows].
  void (*pack_a)(const float* a, std::int64_t lda, bool transposed, std::int64_t rows, std::int64_t depth, float* out);
  // depth x columns block of op(B) -> panels [panel][k][tile_columns], the last one padded with zeros.
  void (*pack_b)(const float* b, std::int64_t ldb, bool transposed, std::int64_t depth, std::int64_t columns,
                 float* out);
  // C[rows, columns] (+)= packed A * packed B. Panels of B are panel_stride floats apart.
  void (*multiply)(const float* packed_a, const float* packed_b, std::int64_t panel_stride, std::int64_t rows,
                   std::int64_t columns, std::int64_t depth, float* c, std::int64_t ldc, bool accumulate,
                   const Upcoming& upcoming);
};

struct AttentionTable {
  // Workspace of one thread, in floats, a multiple of 16.
  std::int64_t (*forward_floats)(const AttentionShape& shape);
  std::int64_t (*backward_floats)(const AttentionShape& shape);
  // Panels that the queries of one head are cut into.
  std::int64_t (*query_panels)(const AttentionShape& shape);
  // Units [begin, end) of one (batch, kv head); unit = head in the group * query_panels + panel.
  void (*forward)(const AttentionForward& args, std::int64_t batch, std::int64_t kv_head, std::int64_t begin,
                  std::int64_t end, float* space);
  void (*backward)(const AttentionBackward& args, std::int64_t batch, std::int64_t kv_head, float* space);
};

struct KernelTable {
  const GemmTable* gemm;
  const AttentionTable* attention;
};

namespace portable { extern const KernelTable table; }
namespace avx2 { extern const KernelTable table; }
namespace avx512 { extern const KernelTable table; }

// The table of the active instruction set.
const KernelTable& kernels();

}  // namespace caddie::cpu
