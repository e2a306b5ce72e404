// Kernels over the rows of a matrix [rows, columns], rows ld floats apart: normalisation, softmax, sums.
//
// Sums run in an order that the shape alone decides; bits do not depend on the number of threads. Inputs and outputs
// may be the same memory where that is said. Nothing allocates.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/cpu/thread_pool.hpp"

namespace caddie::cpu {

// Rows, ld numbers apart: floats, or numbers in bfloat16 where `narrow` is given. Norms and rope take both, the others
// floats.
struct Rows {
  const float* data = nullptr;
  std::int64_t ld = 0;
  const std::uint16_t* narrow = nullptr;

  [[nodiscard]] Rows from(std::int64_t row) const {
    if (narrow != nullptr) return {nullptr, ld, narrow + row * ld};
    return {data != nullptr ? data + row * ld : nullptr, ld};
  }
};
struct RowsOut {
  float* data = nullptr;
  std::int64_t ld = 0;
  std::uint16_t* narrow = nullptr;

  [[nodiscard]] RowsOut from(std::int64_t row) const {
    return narrow != nullptr ? RowsOut{nullptr, ld, narrow + row * ld} : RowsOut{data + row * ld, ld};
  }
};

// y = x r,  r = 1 / sqrt(mean(x^2) + epsilon)   (Zhang and Sennrich 2019). y may be x.
void rms_norm_forward(std::int64_t rows, std::int64_t columns, Rows x, float epsilon, RowsOut y, ThreadPool& pool);
// dx = addend + r (dy - x r^2 mean(dy x)); the addend (floats) may be missing, dx may be dy or the addend.
void rms_norm_backward(std::int64_t rows, std::int64_t columns, Rows x, float epsilon, Rows dy, Rows addend, RowsOut dx,
                       ThreadPool& pool);

// y = n weight + bias,  n = (x - mean(x)) r,  r = 1 / sqrt(mean((x - mean(x))^2) + epsilon)   (Ba et al. 2016). weight
// and bias [columns]; y may be x.
void layer_norm_forward(std::int64_t rows, std::int64_t columns, Rows x, const float* weight, const float* bias,
                        float epsilon, RowsOut y, ThreadPool& pool);
// With g = dy weight: dx = addend + r (g - mean(g) - n mean(g n)),  d_weight[c] = sum over rows of dy n,
// d_bias[c] = sum over rows of dy. d_weight and d_bias may both be null, and then the workspace too; the addend, floats,
// may be missing; dx may be dy or the addend.
std::size_t layer_norm_backward_workspace_bytes(std::int64_t rows, std::int64_t columns);
void layer_norm_backward(std::int64_t rows, std::int64_t columns, Rows x, const float* weight, float epsilon, Rows dy,
                         Rows addend, RowsOut dx, float* d_weight, float* d_bias, ThreadPool& pool, void* workspace);

// Heads of positions, each of dim numbers; a row is what one position has: y's heads follow each other, x's are
// head_stride apart. cosine and sine: [positions, pairs]. The first 2 pairs numbers of a head are turned (Su et al.
// 2021), for i < pairs:
//   y[i] = x[i] c[i] + x[i + pairs] s[i],  y[i + pairs] = x[i + pairs] c[i] - x[i] s[i]
// The rest is copied. y is not x. On the calling thread.
struct Heads {
  std::int64_t count = 0;
  std::int64_t dim = 0;
  std::int64_t pairs = 0;
};
void rope(std::int64_t positions, Rows x, std::int64_t head_stride, const Heads& heads, const float* cosine,
          const float* sine, RowsOut y);

// y = softmax of each row; y may be x. A row of nothing but -infinity gives NaN.
void softmax_forward(std::int64_t rows, std::int64_t columns, Rows x, RowsOut y, ThreadPool& pool);

// out[row] = log sum exp of the row; -infinity for a row of nothing but -infinity or without columns.
void log_sum_exp(std::int64_t rows, std::int64_t columns, Rows x, float* out, ThreadPool& pool);

}  // namespace caddie::cpu
