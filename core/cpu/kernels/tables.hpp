// The functions that exist once for each instruction set, behind plain pointers. Internal to the kernels: callers use
// gemm.hpp, attention.hpp and so on. All run on the calling thread.
#pragma once

#include <cstdint>

#include "core/cpu/kernels/attention.hpp"
#include "core/cpu/kernels/factors.hpp"
#include "core/cpu/kernels/gemm.hpp"
#include "core/cpu/kernels/rowwise.hpp"
#include "core/cpu/kernels/vector_math.hpp"

namespace caddie::cpu {

// Memory that will be read soon: `rows` runs of `bytes` each, `stride` bytes apart. Fetched into the L2 cache bit by
// bit while something else is computed; nothing is read if `rows` is 0.
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
  std::int64_t halves;           // 16-bit words that a packed element takes
  std::int64_t line_floats = 0;  // that a packed line takes beside its elements, in every block of the depth
  std::int64_t depth_unit;   // packed depths are padded to multiples of it
  std::int64_t most_depth;   // of a block, a multiple of 16 and of depth_unit
  std::int64_t block_tiles;  // tiles of rows of A that are packed at a time: they stay in L2

  // rows x depth block of op(A) -> panels of tile_rows rows, each k-major: [panel][k][tile_rows].
  void (*pack_a)(const float* a, std::int64_t lda, bool transposed, std::int64_t rows, std::int64_t depth, float* out);
  // depth x columns block of op(B) -> panels [panel][k][tile_columns], the last one padded with zeros.
  void (*pack_b)(const float* b, std::int64_t ldb, bool transposed, std::int64_t depth, std::int64_t columns,
                 float* out);
  // C[rows, columns] (+)= packed A * packed B, then the epilogue. Panels of B are panel_stride floats apart.
  void (*multiply)(const float* packed_a, const float* packed_b, std::int64_t panel_stride, std::int64_t rows,
                   std::int64_t columns, std::int64_t depth, float* c, std::int64_t ldc, bool accumulate,
                   const Upcoming& upcoming, const Epilogue& epilogue);
  // The epilogue of a rectangle of C that is made.
  void (*finish)(const Epilogue& epilogue, std::int64_t rows, std::int64_t columns, float* c, std::int64_t ldc);
  // The same with operands and with C in bfloat16; null where factors are in float32. C's whole depth is one block.
  void (*pack_narrow_a)(const std::uint16_t* a, std::int64_t lda, bool transposed, std::int64_t rows,
                        std::int64_t depth, float* out) = nullptr;
  void (*pack_narrow_b)(const std::uint16_t* b, std::int64_t ldb, bool transposed, std::int64_t depth,
                        std::int64_t columns, float* out) = nullptr;
  void (*multiply_narrow)(const float* packed_a, const float* packed_b, std::int64_t panel_stride, std::int64_t rows,
                          std::int64_t columns, std::int64_t depth, std::uint16_t* c, std::int64_t ldc,
                          const Upcoming& upcoming, const Epilogue& epilogue) = nullptr;
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

// Running log-sum-exp of one row that is seen piece by piece.
struct RowLoss {
  float maximum;
  float sum;           // of exp(z - maximum)
  float weighted_sum;  // of exp(z - maximum) * (z - maximum)
};

// What one row needs for the slopes of its logits.
struct RowSlope {
  float lse;
  float entropy;
  float slope;          // d_nll + d_lse: factor of p
  float entropy_slope;  // d_entropy
};

struct LossTable {
  // z = cap * tanh(z / cap) in place.
  void (*cap)(float* z, std::int64_t count, float cap);
  void (*accumulate)(const float* z, std::int64_t count, bool with_entropy, RowLoss& state);
  // d[i] = the gradient of logit z[i], without the target's term; times 1 - (z / cap)^2 if cap > 0. d may be z.
  void (*slopes)(const float* z, std::int64_t count, const RowSlope& row, float cap, float* d);
  // log(sum), for the end of accumulate.
  float (*log)(float x);
};

// Rows of `columns` numbers, or one row of `count`; the names are those of rowwise.hpp.
struct RowTable {
  float (*maximum)(const float* x, std::int64_t count);  // -infinity if empty; NaNs may be lost
  // y = x * factor.
  void (*scale)(const float* x, float factor, std::int64_t count, float* y);
  void (*rms_norm)(std::int64_t rows, std::int64_t columns, const Rows& x, float epsilon, const RowsOut& y);
  void (*rms_norm_backward)(std::int64_t rows, std::int64_t columns, const Rows& x, float epsilon, const Rows& dy,
                            const Rows& addend, const RowsOut& dx);
  void (*layer_norm)(std::int64_t rows, std::int64_t columns, const Rows& x, const float* weight, const float* bias,
                     float epsilon, const RowsOut& y);
  // Adds to d_weight and d_bias, where they are given.
  void (*layer_norm_backward)(std::int64_t rows, std::int64_t columns, const Rows& x, const float* weight,
                              float epsilon, const Rows& dy, const Rows& addend, const RowsOut& dx, float* d_weight,
                              float* d_bias);
  void (*rope)(std::int64_t positions, const Rows& x, std::int64_t head_stride, const Heads& heads, const float* cosine,
               const float* sine, const RowsOut& y);
  void (*add)(const float* x, std::int64_t count, float* out);
  // y = exp(x - shift) (y may be null); returns the sum.
  float (*exp_sum)(const float* x, float shift, std::int64_t count, float* y);
};

struct MathTable {
  using Map = void (*)(const float* x, float* y, std::int64_t count);
  Map functions[kFunctions];  // indexed by Function
};

struct CeilingTable {
  // `count` rounds of independent multiply-adds on this thread; the operations done. *out depends on them.
  double (*multiply_adds)(std::int64_t count, float* out);
};

struct KernelTable {
  const GemmTable* gemm;
  const GemmTable* gemm_bf16;  // those in bf16 are the same where bfloat16 is not faster
  const AttentionTable* attention;
  const AttentionTable* attention_bf16;
  const LossTable* loss;
  const RowTable* rows;
  const MathTable* math;
  const CeilingTable* ceiling;
};

namespace portable { extern const KernelTable table; }
namespace avx2 { extern const KernelTable table; }
namespace avx512 { extern const KernelTable table; }
namespace avx512_bf16 {
extern const GemmTable gemm_bf16_table;
extern const AttentionTable attention_bf16_table;
extern const RowTable row_table;
}  // namespace avx512_bf16
namespace amx {
extern const GemmTable gemm_table;
extern const GemmTable gemm_bf16_table;
extern const AttentionTable attention_table;
extern const AttentionTable attention_bf16_table;
extern const RowTable row_table;
}  // namespace amx

// The table of the active instruction set.
const KernelTable& kernels();
inline const GemmTable& gemm_kernels(Factors factors) {
  return factors == Factors::bf16 ? *kernels().gemm_bf16 : *kernels().gemm;
}
inline const AttentionTable& attention_kernels(Factors factors) {
  return factors == Factors::bf16 ? *kernels().attention_bf16 : *kernels().attention;
}

}  // namespace caddie::cpu
