#include "core/cpu/kernels/rowwise.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/cpu/kernels/tables.hpp"

namespace caddie::cpu {
namespace {

// Rows whose contributions to a sum over rows are added one after the other; the chunks' sums are then added in order.
constexpr std::int64_t kRowChunk = 128;

std::int64_t chunks_of(std::int64_t rows) { return (rows + kRowChunk - 1) / kRowChunk; }

// Rows of one task where rows are independent: as many as a vector has lanes, at most.
constexpr std::int64_t kRowsPerTask = 16;

// body(row, how many) for each task.
template <typename Body>
void for_rows(std::int64_t rows, ThreadPool& pool, Body body) {
  pool.run((rows + kRowsPerTask - 1) / kRowsPerTask, [&](std::int64_t task) {
    const std::int64_t row = task * kRowsPerTask;
    body(row, std::min(kRowsPerTask, rows - row));
  });
}
template <typename Body>
void for_each_row(std::int64_t rows, ThreadPool& pool, Body body) {
  for_rows(rows, pool, [&](std::int64_t row, std::int64_t count) {
    for (const std::int64_t end = row + count; row < end; ++row) body(row);
  });
}

// out[columns] = sum over chunks of partial[chunk][columns].
void add_chunks(std::int64_t chunks, std::int64_t columns, const float* partial, float* out) {
  std::fill_n(out, columns, 0.0F);
  for (std::int64_t chunk = 0; chunk < chunks; ++chunk) kernels().rows->add(partial + chunk * columns, columns, out);
}

float shifted_sum(const float* x, std::int64_t columns, float* y, float& shift) {
  const float high = kernels().rows->maximum(x, columns);
  shift = high;
  return kernels().rows->exp_sum(x, high, columns, y);
}

}  // namespace

void rms_norm_forward(std::int64_t rows, std::int64_t columns, Rows x, float epsilon, RowsOut y, ThreadPool& pool) {
  for_rows(rows, pool, [&](std::int64_t row, std::int64_t count) {
    kernels().rows->rms_norm(count, columns, x.from(row), epsilon, y.from(row));
  });
}

void rms_norm_backward(std::int64_t rows, std::int64_t columns, Rows x, float epsilon, Rows dy, Rows addend, RowsOut dx,
                       ThreadPool& pool) {
  for_rows(rows, pool, [&](std::int64_t row, std::int64_t count) {
    kernels().rows->rms_norm_backward(count, columns, x.from(row), epsilon, dy.from(row), addend.from(row),
                                      dx.from(row));
  });
}

void layer_norm_forward(std::int64_t rows, std::int64_t columns, Rows x, const float* weight, const float* bias,
                        float epsilon, RowsOut y, ThreadPool& pool) {
  for_rows(rows, pool, [&](std::int64_t row, std::int64_t count) {
    kernels().rows->layer_norm(count, columns, x.from(row), weight, bias, epsilon, y.from(row));
  });
}

std::size_t layer_norm_backward_workspace_bytes(std::int64_t rows, std::int64_t columns) {
  return static_cast<std::size_t>(chunks_of(rows) * 2 * columns) * sizeof(float);
}

void layer_norm_backward(std::int64_t rows, std::int64_t columns, Rows x, const float* weight, float epsilon, Rows dy,
                         Rows addend, RowsOut dx, float* d_weight, float* d_bias, ThreadPool& pool, void* workspace) {
  const std::int64_t chunks = chunks_of(rows);
  float* const of_weight = static_cast<float*>(workspace);
  float* const of_bias = d_weight != nullptr ? of_weight + chunks * columns : nullptr;
  pool.run(chunks, [&](std::int64_t chunk) {
    float* weight_sums = nullptr;
    float* bias_sums = nullptr;
    if (d_weight != nullptr) {
      weight_sums = of_weight + chunk * columns;
      bias_sums = of_bias + chunk * columns;
      std::fill_n(weight_sums, columns, 0.0F);
      std::fill_n(bias_sums, columns, 0.0F);
    }
    const std::int64_t row = chunk * kRowChunk;
    kernels().rows->layer_norm_backward(std::min(kRowChunk, rows - row), columns, x.from(row), weight, epsilon,
                                        dy.from(row), addend.from(row), dx.from(row), weight_sums, bias_sums);
  });
  if (d_weight == nullptr) return;
  add_chunks(chunks, columns, of_weight, d_weight);
  add_chunks(chunks, columns, of_bias, d_bias);
}

void rope(std::int64_t positions, Rows x, std::int64_t head_stride, const Heads& heads, const float* cosine,
          const float* sine, RowsOut y) {
  kernels().rows->rope(positions, x, head_stride, heads, cosine, sine, y);
}

void softmax_forward(std::int64_t rows, std::int64_t columns, Rows x, RowsOut y, ThreadPool& pool) {
  for_each_row(rows, pool, [&](std::int64_t row) {
    float* to = y.data + row * y.ld;
    float shift = 0.0F;
    const float sum = shifted_sum(x.data + row * x.ld, columns, to, shift);
    kernels().rows->scale(to, 1.0F / sum, columns, to);
  });
}

void log_sum_exp(std::int64_t rows, std::int64_t columns, Rows x, float* out, ThreadPool& pool) {
  for_each_row(rows, pool, [&](std::int64_t row) {
    const float* from = x.data + row * x.ld;
    const float high = kernels().rows->maximum(from, columns);
    // Against an infinite reference exp would give NaN; unshifted, the sum is 0, infinite or (a NaN in the row) NaN.
    const float shift = std::isinf(high) ? 0.0F : high;
    const float sum = kernels().rows->exp_sum(from, shift, columns, nullptr);
    out[row] = shift + kernels().loss->log(sum);
  });
}

}  // namespace caddie::cpu
