// The loss of one row of logits, piece by piece. Internal: cross_entropy.cpp and head.cpp share it.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "core/cpu/kernels/cross_entropy.hpp"
#include "core/cpu/kernels/tables.hpp"

namespace caddie::cpu {

// Floats of a row that are looked at twice while they are in L1.
constexpr std::int64_t kLossPiece = 1024;

inline RowLoss new_row_loss() { return {-std::numeric_limits<float>::infinity(), 0.0F, 0.0F}; }

// Writes the results of a row whose pieces have all been seen.
inline void finish_row(const RowLoss& state, float target_logit, bool has_target, std::int64_t row,
                       const TokenLosses& losses) {
  const float log_sum = kernels().loss->log(state.sum);
  const float lse = state.sum == 0.0F ? log_sum : state.maximum + log_sum;  // log(0) = -infinity: nothing was seen
  if (losses.lse != nullptr) losses.lse[row] = lse;
  if (losses.nll != nullptr) losses.nll[row] = has_target ? lse - target_logit : 0.0F;
  if (losses.entropy != nullptr) losses.entropy[row] = log_sum - state.weighted_sum / state.sum;
}

inline RowSlope row_slope(const TokenSlopes& s, std::int64_t row, bool has_target) {
  RowSlope slope{s.lse[row], 0.0F, 0.0F, 0.0F};
  if (s.d_nll != nullptr && has_target) slope.slope += s.d_nll[row];
  if (s.d_lse != nullptr) slope.slope += s.d_lse[row];
  if (s.d_entropy != nullptr) {
    slope.entropy = s.entropy[row];
    slope.entropy_slope = s.d_entropy[row];
  }
  return slope;
}

}  // namespace caddie::cpu
