// The fused linear map, soft cap and cross-entropy of cross_entropy.hpp.
#include <algorithm>

#include "core/cpu/kernels/gemm_blocks.hpp"
#include "core/cpu/kernels/row_loss.hpp"

namespace caddie::cpu {
namespace {

constexpr std::int64_t kTileLogits = 1024;                        // columns of logits made at a time: they stay in L2
constexpr std::int64_t kChunkFloats = std::int64_t{4} << 20;      // logits whose slopes exist at a time, backward
constexpr std::int64_t kMostRows = 256;                           // of a task
constexpr std::int64_t kChunkUnit = 128;

// Rows of a task: what the matrix product packs at a time; half of it where rows of slopes are made beside it.
std::int64_t forward_step(const GemmTable& table) { return std::min(kMostRows, table.block_tiles * table.tile_rows); }
std::int64_t backward_step(const GemmTable& table) { return table.block_tiles / 2 * table.tile_rows; }

std::int64_t floats_of(std::size_t bytes) { return static_cast<std::int64_t>(bytes / sizeof(float)); }

Operand rows_of_x(const Head& h) { return {h.x, h.ldx, false, 0}; }

struct ForwardSpace {
  std::int64_t packed_w = 0;     // common
  std::int64_t per_thread = 0;   // packed rows of x, then a tile of logits

  explicit ForwardSpace(const Head& h) {
    const GemmTable& table = gemm_kernels(h.factors);
    if (h.w_forward == nullptr) packed_w = floats_of(packed_b_bytes(h.factors, h.dim, h.vocab));
    per_thread = packed_a_floats(table, depth_block(table, h.dim)) + forward_step(table) * kTileLogits;
  }
};

// Rows [first, first + count) on one thread.
void forward_rows(const Head& h, const TokenLosses& losses, float* logits, const float* packed_w, std::int64_t first,
                  std::int64_t count, float* space) {
  const LossTable& loss = *kernels().loss;
  const GemmTable& table = gemm_kernels(h.factors);
  float* tile_space = space + packed_a_floats(table, depth_block(table, h.dim));
  RowLoss states[kMostRows];
  float target_logits[kMostRows];
  for (std::int64_t i = 0; i < count; ++i) {
    states[i] = new_row_loss();
    target_logits[i] = std::numeric_limits<float>::quiet_NaN();
  }
  for (std::int64_t v = 0; v < h.vocab; v += kTileLogits) {
    const std::int64_t columns = std::min(kTileLogits, h.vocab - v);
    float* tile = logits == nullptr ? tile_space : logits + first * h.vocab + v;
    const std::int64_t ld = logits == nullptr ? kTileLogits : h.vocab;
    multiply_rectangle(table, rows_of_x(h), packed_w, h.vocab, {0, h.dim, depth_block(table, h.dim)},
                       {first, v, count, columns}, {tile, nullptr, ld}, false, space);
    for (std::int64_t i = 0; i < count; ++i) {
      float* z = tile + i * ld;
      if (h.cap > 0.0F) loss.cap(z, columns, h.cap);
      loss.accumulate(z, columns, losses.entropy != nullptr, states[i]);
      const std::int64_t target = h.targets[first + i];
      if (target >= v && target < v + columns) target_logits[i] = z[target - v];
    }
  }
  for (std::int64_t i = 0; i < count; ++i) {
    finish_row(states[i], target_logits[i], h.targets[first + i] >= 0, first + i, losses);
  }
}

std::int64_t chunk_rows(const Head& h) {
  const std::int64_t fitting = kChunkFloats / std::max<std::int64_t>(h.vocab, 1) / kChunkUnit * kChunkUnit;
  return std::min(std::max(fitting, kChunkUnit), std::max<std::int64_t>(h.rows, 1));
}

// dw += slopes^T x of one chunk.
Gemm weight_product(const Head& h, const HeadGradients& out, const float* slopes, std::int64_t first,
                    std::int64_t count) {
  Gemm g;
  g.factors = h.factors;
  g.m = h.vocab;
  g.n = h.dim;
  g.k = count;
  g.a = {slopes, h.vocab, true, 0};
  g.b = {h.x == nullptr ? nullptr : h.x + first * h.ldx, h.ldx, false, 0};
  g.c = out.dw;
  g.ldc = out.lddw;
  g.accumulate = out.accumulate_dw || first > 0;
  return g;
}

struct BackwardSpace {
  std::int64_t slopes = 0;      // [chunk_rows, V]
  std::int64_t w_forward = 0;
  std::int64_t w_backward = 0;
  std::int64_t per_thread = 0;  // packed left-hand sides
  std::int64_t weights = 0;     // workspace of the product that makes dw

  BackwardSpace(const Head& h, int threads) {
    const GemmTable& table = gemm_kernels(h.factors);
    slopes = round_up(chunk_rows(h) * h.vocab, 16);
    if (h.w_forward == nullptr) w_forward = floats_of(packed_b_bytes(h.factors, h.dim, h.vocab));
    if (h.w_backward == nullptr) w_backward = floats_of(packed_b_bytes(h.factors, h.vocab, h.dim));
    per_thread = std::max(packed_a_floats(table, depth_block(table, h.dim)),
                          packed_a_floats(table, depth_block(table, h.vocab)));
    const std::int64_t last = h.rows % chunk_rows(h);  // a shorter chunk may be cut differently
    for (const std::int64_t count : {chunk_rows(h), last}) {
      weights = std::max(weights, floats_of(gemm_workspace_bytes(weight_product(h, {}, nullptr, 0, count), threads)));
    }
    weights = round_up(weights, 16);
  }
  std::int64_t total(int threads) const { return slopes + w_forward + w_backward + per_thread * threads + weights; }
};

// Slopes of the logits before the cap, rows [first, first + count), into d [count, V].
void slopes_of_rows(const Head& h, const TokenSlopes& given, const float* logits, const float* packed_w,
                    std::int64_t first, std::int64_t count, float* d, float* space) {
  const LossTable& loss = *kernels().loss;
  const GemmTable& table = gemm_kernels(h.factors);
  for (std::int64_t v = 0; v < h.vocab; v += kTileLogits) {
    const std::int64_t columns = std::min(kTileLogits, h.vocab - v);
    if (logits == nullptr) {
      multiply_rectangle(table, rows_of_x(h), packed_w, h.vocab, {0, h.dim, depth_block(table, h.dim)},
                         {first, v, count, columns}, {d + v, nullptr, h.vocab}, false, space);
    }
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t row = first + i;
      const std::int64_t target = h.targets[row];
      float* out = d + i * h.vocab + v;
      if (logits == nullptr && h.cap > 0.0F) loss.cap(out, columns, h.cap);
      const float* z = logits == nullptr ? out : logits + row * h.vocab + v;
      const bool here = target >= v && target < v + columns;
      const float target_logit = here ? z[target - v] : 0.0F;
      loss.slopes(z, columns, row_slope(given, row, target >= 0), h.cap, out);
      if (given.d_nll == nullptr || target < 0) continue;
      if (here) {
        const float t = h.cap > 0.0F ? target_logit / h.cap : 0.0F;
        out[target - v] -= given.d_nll[row] * (1.0F - t * t);
      } else if (target >= h.vocab) {
        std::fill_n(out, columns, std::numeric_limits<float>::quiet_NaN());
      }
    }
  }
}

}  // namespace

std::size_t head_forward_workspace_bytes(const Head& h, int threads) {
  const ForwardSpace space(h);
  return static_cast<std::size_t>(space.packed_w + space.per_thread * threads) * sizeof(float);
}

void head_forward(const Head& h, const TokenLosses& losses, float* logits, ThreadPool& pool, void* workspace) {
  if (h.rows <= 0) return;
  const ForwardSpace space(h);
  float* base = static_cast<float*>(workspace);
  const float* packed_w = h.w_forward;
  if (packed_w == nullptr) {
    pack_b(h.factors, {h.w, h.ldw, true, 0}, h.dim, h.vocab, pool, base);
    packed_w = base;
  }
  const std::int64_t step = forward_step(gemm_kernels(h.factors));
  pool.run(ceil_div(h.rows, step), [&](std::int64_t task, int thread) {
    forward_rows(h, losses, logits, packed_w, task * step, std::min(step, h.rows - task * step),
                 base + space.packed_w + thread * space.per_thread);
  });
}

std::size_t head_backward_workspace_bytes(const Head& h, int threads) {
  return static_cast<std::size_t>(BackwardSpace(h, threads).total(threads)) * sizeof(float);
}

void head_backward(const Head& h, const TokenSlopes& given, const float* logits, const HeadGradients& out,
                   ThreadPool& pool, void* workspace) {
  const BackwardSpace space(h, pool.size());
  float* slopes = static_cast<float*>(workspace);
  float* w_forward = slopes + space.slopes;
  float* w_backward = w_forward + space.w_forward;
  float* private_space = w_backward + space.w_backward;
  float* weights_space = private_space + space.per_thread * pool.size();
  if (h.w_forward == nullptr && logits == nullptr)
    pack_b(h.factors, {h.w, h.ldw, true, 0}, h.dim, h.vocab, pool, w_forward);
  if (h.w_backward == nullptr && out.dx != nullptr)
    pack_b(h.factors, {h.w, h.ldw, false, 0}, h.vocab, h.dim, pool, w_backward);
  const float* forward = h.w_forward != nullptr ? h.w_forward : w_forward;
  const float* backward = h.w_backward != nullptr ? h.w_backward : w_backward;
  const GemmTable& table = gemm_kernels(h.factors);
  const std::int64_t step = backward_step(table);
  if (h.rows <= 0 && out.dw != nullptr) gemm(weight_product(h, out, slopes, 0, 0), pool, weights_space);
  for (std::int64_t first = 0; first < h.rows; first += chunk_rows(h)) {
    const std::int64_t count = std::min(chunk_rows(h), h.rows - first);
    pool.run(ceil_div(count, step), [&](std::int64_t task, int thread) {
      const std::int64_t begin = task * step;
      const std::int64_t rows = std::min(step, count - begin);
      float* own = private_space + thread * space.per_thread;
      float* d = slopes + begin * h.vocab;
      slopes_of_rows(h, given, logits, forward, first + begin, rows, d, own);
      if (out.dx == nullptr) return;
      multiply_rectangle(table, {d, h.vocab, false, 0}, backward, h.dim, {0, h.vocab, depth_block(table, h.vocab)},
                         {0, 0, rows, h.dim}, {out.dx + (first + begin) * out.lddx, nullptr, out.lddx}, false, own);
    });
    if (out.dw != nullptr) gemm(weight_product(h, out, slopes, first, count), pool, weights_space);
  }
}

}  // namespace caddie::cpu
