// Kernels over the rows of a matrix [rows, columns], rows ld floats apart: normalisation, softmax, sums.
//
// Sums run in an order that the shape alone decides; bits do not depend on the number of threads. Inputs and outputs
// may be the same memory where that is said. Nothing allocates.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/cpu/thread_pool.hpp"

namespace caddie::cpu {

struct Rows {
  const float* data = nullptr;
  std::int64_t ld = 0;
};

struct RowsOut {
  float* data = nullptr;
  std::int64_t ld = 0;
};

// y = x * rstd * weight,  rstd = 1 / sqrt(mean(x^2) + epsilon)   (Zhang and Sennrich 2019). weight [columns] or null;
// rstd [rows] or null; y may be x.
void rms_norm_forward(std::int64_t rows, std::int64_t columns, Rows x, const float* weight, float epsilon, RowsOut y,
                      float* rstd, ThreadPool& pool);

// dx = rstd (dy weight - x rstd^2 mean(dy weight x)),  d_weight[c] = sum over rows of dy x rstd. weight and d_weight
// may be null; dx may be dy. The workspace is used if d_weight is given.
std::size_t rms_norm_backward_workspace_bytes(std::int64_t rows, std::int64_t columns);
void rms_norm_backward(std::int64_t rows, std::int64_t columns, Rows x, const float* weight, const float* rstd, Rows dy,
                       RowsOut dx, float* d_weight, ThreadPool& pool, void* workspace);

// y = softmax of each row; y may be x. A row of nothing but -infinity gives NaN.
void softmax_forward(std::int64_t rows, std::int64_t columns, Rows x, RowsOut y, ThreadPool& pool);
// dx = y (dy - sum(dy y)); dx may be dy or y.
void softmax_backward(std::int64_t rows, std::int64_t columns, Rows y, Rows dy, RowsOut dx, ThreadPool& pool);

// out[row] = log sum exp of the row; -infinity for a row of nothing but -infinity or without columns.
void log_sum_exp(std::int64_t rows, std::int64_t columns, Rows x, float* out, ThreadPool& pool);

// out[row] = sum of the row.
void sum_rows(std::int64_t rows, std::int64_t columns, Rows x, float* out, ThreadPool& pool);

// out[column] = sum over rows.
std::size_t sum_columns_workspace_bytes(std::int64_t rows, std::int64_t columns);
void sum_columns(std::int64_t rows, std::int64_t columns, Rows x, float* out, ThreadPool& pool, void* workspace);

}  // namespace caddie::cpu
