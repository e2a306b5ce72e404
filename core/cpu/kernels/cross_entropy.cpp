#include "core/cpu/kernels/cross_entropy.hpp"

#include <algorithm>

#include "core/cpu/kernels/row_loss.hpp"

namespace caddie::cpu {

void cross_entropy_forward(const float* logits, std::int64_t ld, std::int64_t rows, std::int64_t vocab,
                           const std::int32_t* targets, const TokenLosses& losses, ThreadPool& pool) {
  pool.run(rows, [&](std::int64_t row) {
    const float* z = logits + row * ld;
    RowLoss state = new_row_loss();
    for (std::int64_t v = 0; v < vocab; v += kLossPiece) {
      kernels().loss->accumulate(z + v, std::min(kLossPiece, vocab - v), losses.entropy != nullptr, state);
    }
    const std::int64_t target = targets[row];
    const bool known = target >= 0 && target < vocab;
    finish_row(state, known ? z[target] : std::numeric_limits<float>::quiet_NaN(), target >= 0, row, losses);
  });
}

void cross_entropy_backward(const float* logits, std::int64_t ld, std::int64_t rows, std::int64_t vocab,
                            const std::int32_t* targets, const TokenSlopes& slopes, float* d_logits, std::int64_t ld_d,
                            ThreadPool& pool) {
  pool.run(rows, [&](std::int64_t row) {
    const std::int64_t target = targets[row];
    float* d = d_logits + row * ld_d;
    kernels().loss->slopes(logits + row * ld, vocab, row_slope(slopes, row, target >= 0), 0.0F, d);
    if (slopes.d_nll == nullptr || target < 0) return;
    if (target < vocab) {
      d[target] -= slopes.d_nll[row];
    } else {
      std::fill_n(d, vocab, std::numeric_limits<float>::quiet_NaN());
    }
  });
}

}  // namespace caddie::cpu
