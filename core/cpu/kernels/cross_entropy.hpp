// Cross-entropy over a vocabulary, from logits or fused with the linear map that makes them.
//
//   lse = log sum_v exp z_v      nll = lse - z_target      entropy = lse - sum_v p_v z_v,   p_v = exp(z_v - lse)
//   d_z_v = (d_nll + d_lse) p_v - d_nll [v = target] - d_entropy p_v (z_v - lse + entropy)
//
// A negative target means "no target": its nll is 0 and d_nll has no effect on that row. A target >= vocab gives NaN.
// Bits do not depend on the number of threads. Nothing allocates.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/cpu/kernels/factors.hpp"
#include "core/cpu/thread_pool.hpp"

namespace caddie::cpu {

// Per-row results; entropy may be null.
struct TokenLosses {
  float* nll = nullptr;
  float* lse = nullptr;
  float* entropy = nullptr;
};

// Per-row gradients, each may be null (zero), and what the forward pass found. entropy is read if d_entropy is given.
struct TokenSlopes {
  const float* lse = nullptr;
  const float* entropy = nullptr;
  const float* d_nll = nullptr;
  const float* d_lse = nullptr;
  const float* d_entropy = nullptr;
};

// logits [rows, vocab], rows ld floats apart.
void cross_entropy_forward(const float* logits, std::int64_t ld, std::int64_t rows, std::int64_t vocab,
                           const std::int32_t* targets, const TokenLosses& losses, ThreadPool& pool);

// d_logits (may be the same memory as logits) is overwritten.
void cross_entropy_backward(const float* logits, std::int64_t ld, std::int64_t rows, std::int64_t vocab,
                            const std::int32_t* targets, const TokenSlopes& slopes, float* d_logits, std::int64_t ld_d,
                            ThreadPool& pool);

// The fused head: z = cap * tanh(u / cap), or z = u if cap is 0, with u = x w^T. Only a chunk of rows of z exists at a
// time, unless `logits` is given.
struct Head {
  std::int64_t rows = 0;   // N
  std::int64_t dim = 0;    // D
  std::int64_t vocab = 0;  // V
  float cap = 0.0F;
  Factors factors = Factors::f32;
  const float* x = nullptr;  // [N, D]
  std::int64_t ldx = 0;
  const float* w = nullptr;  // [V, D]
  std::int64_t ldw = 0;
  const std::int32_t* targets = nullptr;  // [N]
  // w packed beforehand by pack_b, or null: packed for each call. w_forward: of the [D, V] matrix w^T, that is
  // pack_b(factors, {w, ldw, true}, D, V); w_backward: of the [V, D] matrix w, pack_b(factors, {w, ldw, false}, V, D).
  const float* w_forward = nullptr;
  const float* w_backward = nullptr;
};

// logits: [N, V] contiguous, kept for the backward pass, or null. Keeping them costs memory and saves the backward pass
// one of its three products.
std::size_t head_forward_workspace_bytes(const Head& head, int threads);
void head_forward(const Head& head, const TokenLosses& losses, float* logits, ThreadPool& pool, void* workspace);

struct HeadGradients {
  float* dx = nullptr;  // [N, D], overwritten; null: not wanted
  std::int64_t lddx = 0;
  float* dw = nullptr;  // [V, D]; null: not wanted
  std::int64_t lddw = 0;
  bool accumulate_dw = false;
};

std::size_t head_backward_workspace_bytes(const Head& head, int threads);
void head_backward(const Head& head, const TokenSlopes& slopes, const float* logits, const HeadGradients& out,
                   ThreadPool& pool, void* workspace);

}  // namespace caddie::cpu
