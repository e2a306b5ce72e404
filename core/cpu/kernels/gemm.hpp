// Matrix products on the CPU: C[M,N] = op(A)[M,K] * op(B)[K,N], or C += ..., in float32 (or factors in bfloat16:
// factors.hpp), row-major, strided, batched.
//
// Each element of C is made of its row, its column and what the shape decides: blocks of the depth, and inside a block
// one chain of multiply-adds (of pairs where factors are in bfloat16), or on the tile unit exact sums in fixed point
// (amx/digits.hpp: as exact as the chain unless a few numbers of a row outweigh all others more than a thousand times).
// So the bits do not depend on other rows and columns, on the number of threads, on batching, on the operands' strides
// or on packing B beforehand. NaN and infinities reach what plain loops would let them reach; on the tile unit an
// infinity becomes NaN.
//
// B may be packed once (weights, once per step) and used in many products with the same factors. Packed data belongs to
// the instruction set that was active when it was made.
//
// Nothing allocates; the caller owns all memory. C must not overlap A or B. Threads: the work is dealt over the pool;
// any number of products may run at the same time with workspaces of their own.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/cpu/kernels/factors.hpp"
#include "core/cpu/thread_pool.hpp"

namespace caddie::cpu {

// gelu: x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))). squared_relu: max(x, leak x)^2.
enum class Activation { none, relu, gelu, squared_relu };

// One operand. Element (row, column) of the matrix as it enters the product is data[row * ld + column], or
// data[column * ld + row] if transposed. ld counts floats; consecutive matrices are batch_stride floats apart (0: all
// products share one).
struct Operand {
  const float* data = nullptr;
  std::int64_t ld = 0;
  bool transposed = false;
  std::int64_t batch_stride = 0;
  const std::uint16_t* narrow = nullptr;  // instead of data: in bfloat16, where takes_narrow() allows
};

// C = activation(alpha AB + beta addend + bias), or activation'(slope_at) (alpha AB + beta addend + bias), made of
// finished parts of AB while they are in the cache. The addend may be C itself; then C is scaled beforehand unless beta
// is alpha.
struct Epilogue {
  float alpha = 1;
  float beta = 1;
  const float* addend = nullptr;  // [M, N] with C's strides
  const float* bias = nullptr;    // [N]
  Activation activation = Activation::none;
  float leak = 0;
  float* before = nullptr;        // [M, N] with C's strides: what the activation is taken of, if wanted
  std::uint16_t* narrow_before = nullptr;  // the same in bfloat16
  const float* slope_at = nullptr;         // [M, N] with C's strides; none of relu
  const std::uint16_t* narrow_slope_at = nullptr;

  // Always inline, as these are compiled for several instruction sets.
  [[nodiscard, gnu::always_inline]] bool is_plain() const {
    return alpha == 1 && addend == nullptr && bias == nullptr && activation == Activation::none && before == nullptr &&
           narrow_before == nullptr;
  }
  // Of the part of C that begins at (row, column).
  [[nodiscard, gnu::always_inline]] Epilogue at(std::int64_t row, std::int64_t column, std::int64_t ldc) const {
    Epilogue part = *this;
    if (part.addend != nullptr) part.addend += row * ldc + column;
    if (part.before != nullptr) part.before += row * ldc + column;
    if (part.narrow_before != nullptr) part.narrow_before += row * ldc + column;
    if (part.slope_at != nullptr) part.slope_at += row * ldc + column;
    if (part.narrow_slope_at != nullptr) part.narrow_slope_at += row * ldc + column;
    if (part.bias != nullptr) part.bias += column;
    return part;
  }
};

struct Gemm {
  std::int64_t m = 0;
  std::int64_t n = 0;
  std::int64_t k = 0;
  std::int64_t batch = 1;
  Operand a{};  // [M, K]
  Operand b{};  // [K, N]; not read when packed_b is given
  const float* packed_b = nullptr;      // from pack_b; 64-byte aligned
  std::int64_t packed_b_stride = 0;     // floats from one batch element to the next; 0: all products share one
  float* c = nullptr;
  std::uint16_t* narrow_c = nullptr;  // instead of c: in bfloat16, where makes_narrow() allows
  std::int64_t ldc = 0;
  std::int64_t c_batch_stride = 0;
  bool accumulate = false;  // C += instead of C =
  Factors factors = Factors::f32;
  Epilogue epilogue{};      // not with `accumulate`
};

// Whether operands may be given in bfloat16 (then they are read as they are), and whether C may be made in it: each
// element is rounded once, after the epilogue. Not while accumulating.
bool takes_narrow(Factors factors);
bool makes_narrow(Factors factors, std::int64_t k);

// Bytes of workspace that gemm() needs with a pool of `threads`, for the active instruction set. Depends on shapes and
// on whether packed_b is set, not on the data.
std::size_t gemm_workspace_bytes(const Gemm& gemm, int threads);

// workspace: 64-byte aligned, gemm_workspace_bytes(...) long; may be null if that is 0.
void gemm(const Gemm& gemm, ThreadPool& pool, void* workspace);

// Bytes of a packed [K, N] matrix: a multiple of 64.
std::size_t packed_b_bytes(Factors factors, std::int64_t k, std::int64_t n);

// packed: 64-byte aligned, packed_b_bytes(factors, k, n) long. b.batch_stride is not used.
void pack_b(Factors factors, const Operand& b, std::int64_t k, std::int64_t n, ThreadPool& pool, float* packed);

}  // namespace caddie::cpu
