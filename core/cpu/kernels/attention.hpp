// Softmax attention on the CPU, forward and backward, in tiles: no T x S array is ever made, and tiles that a mask
// rules out are skipped (online softmax as in Milakov and Gimelshein 2018, tiles and recomputation as in Dao et al.
// 2022).
//
//   y[b,t,h] = sum_s p[t,s] v[b,s,g],   p[t,.] = softmax over the visible s of scale * q[b,t,h] . k[b,s,g],
//   g = h / (H / K)   (grouped queries: H query heads share K key/value heads, H % K == 0)
//
// Key s is visible to query t if (not causal or s <= t + S - T) and (no segments or the two segment ids are equal).
// A query that sees nothing has y = 0, lse = -infinity and no gradient.
//
// Bits do not depend on the number of threads. Nothing allocates. Outputs must not overlap inputs or each other.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/cpu/kernels/factors.hpp"
#include "core/cpu/thread_pool.hpp"

namespace caddie::cpu {

// [batch, position, head, dim] with dim contiguous; strides count numbers. Given in bfloat16 instead where
// takes_narrow() of gemm.hpp allows: read as they are, and written rounded once. Each operand for itself.
struct HeadsIn {
  const float* data = nullptr;
  std::int64_t batch_stride = 0;
  std::int64_t position_stride = 0;
  std::int64_t head_stride = 0;
  const std::uint16_t* narrow = nullptr;  // instead of data
};

struct HeadsOut {
  float* data = nullptr;
  std::int64_t batch_stride = 0;
  std::int64_t position_stride = 0;
  std::int64_t head_stride = 0;
  std::uint16_t* narrow = nullptr;  // instead of data
};

struct AttentionShape {
  std::int64_t batch = 0;      // B
  std::int64_t queries = 0;    // T
  std::int64_t keys = 0;       // S
  std::int64_t heads = 0;      // H
  std::int64_t kv_heads = 0;   // K
  std::int64_t dim = 0;        // D; any, fastest for multiples of 16
  bool causal = true;
  float scale = 1.0F;
  Factors factors = Factors::f32;
  // Document ids, [B, T] and [B, S], both or neither; any values, any order (runs of equal ids are fastest).
  const std::int32_t* query_segments = nullptr;
  const std::int32_t* key_segments = nullptr;
};

struct AttentionForward {
  AttentionShape shape{};
  HeadsIn q{}, k{}, v{};
  HeadsOut y{};
  float* lse = nullptr;  // [B, H, T]: natural logarithm of the sum of exponentials of the scaled, visible scores
};

struct AttentionBackward {
  AttentionShape shape{};
  HeadsIn q{}, k{}, v{}, y{};
  const float* lse = nullptr;
  HeadsIn dy{};
  const float* d_lse = nullptr;  // [B, H, T] or null
  HeadsOut dq{}, dk{}, dv{};     // overwritten
};

std::size_t attention_forward_workspace_bytes(const AttentionShape& shape, int threads);
void attention_forward(const AttentionForward& args, ThreadPool& pool, void* workspace);

// The work is dealt by (batch, kv head); more threads than that stay idle.
std::size_t attention_backward_workspace_bytes(const AttentionShape& shape, int threads);
void attention_backward(const AttentionBackward& args, ThreadPool& pool, void* workspace);

// Multiply-adds count 2; only visible pairs of a causal or full mask are counted, segments are not.
double attention_forward_flops(const AttentionShape& shape);
double attention_backward_flops(const AttentionShape& shape);

}  // namespace caddie::cpu
