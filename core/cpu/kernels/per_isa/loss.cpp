#include "core/cpu/kernels/per_isa/simd_math.hpp"
#include "core/cpu/kernels/per_isa/strip.hpp"
#include "core/cpu/kernels/tables.hpp"

namespace caddie::cpu::CADDIE_ISA {
namespace {

using std::int64_t;

void cap_logits(float* z, int64_t count, float cap) {
  const F inverse = splat(1.0F / cap);
  for_strips(count, [=](int64_t i, int64_t n) {
    store_some(z + i, splat(cap) * hyperbolic_tangent(load_some(z + i, n) * inverse), n);
  });
}

void accumulate(const float* z, int64_t count, bool with_entropy, RowLoss& state) {
  const float high = largest_of(z, count);
  if (high > state.maximum) {
    if (state.sum != 0.0F) {
      const float factor = exponential(splat(state.maximum - high))[0];
      state.weighted_sum = factor * (state.weighted_sum + state.sum * (state.maximum - high));
      state.sum *= factor;
    }
    state.maximum = high;
  }
  // Nothing but -infinity so far: any finite reference keeps the sum 0.
  const F reference = splat(state.maximum == -__builtin_inff() ? 0.0F : state.maximum);
  const auto distance = [=](int64_t i, int64_t n) { return load_some(z + i, n, -__builtin_inff()) - reference; };
  if (!with_entropy) {
    state.sum += sum_of(count, [=](int64_t i, int64_t n) { return exp2_nonpositive(distance(i, n) * splat(kLog2E)); });
    return;
  }
  F sums[2] = {F{}, F{}};
  for_strips(count, [&](int64_t i, int64_t n) {
    const F below = distance(i, n);
    const F e = exp2_nonpositive(below * splat(kLog2E));
    sums[0] += e;
    sums[1] += select(e == F{}, F{}, e * below);  // 0 * -infinity counts 0
  });
  state.sum += sum_lanes(sums[0]);
  state.weighted_sum += sum_lanes(sums[1]);
}

template <bool kEntropy, bool kCap>
void slopes_of(const float* z, int64_t count, const RowSlope& row, float cap, float* d) {
  const F shift = splat(-row.lse * kLog2E);
  const F slope = splat(row.slope);
  const F entropy_slope = splat(row.entropy_slope);
  const F offset = splat(row.entropy - row.lse);
  const F inverse = splat(kCap ? 1.0F / cap : 0.0F);
  for_strips(count, [=](int64_t i, int64_t n) {
    const F value = load_some(z + i, n);
    const F p = exp2_nonpositive(fma(value, splat(kLog2E), shift));
    F out = p * slope;
    if constexpr (kEntropy) out -= select(p == F{}, F{}, p * entropy_slope * (value + offset));
    if constexpr (kCap) {
      const F t = value * inverse;
      out *= splat(1.0F) - t * t;
    }
    store_some(d + i, out, n);
  });
}

void slopes(const float* z, int64_t count, const RowSlope& row, float cap, float* d) {
  const bool entropy = row.entropy_slope != 0.0F;
  const auto run = entropy ? (cap > 0.0F ? slopes_of<true, true> : slopes_of<true, false>)
                           : (cap > 0.0F ? slopes_of<false, true> : slopes_of<false, false>);
  run(z, count, row, cap, d);
}

float log_of(float x) { return logarithm(splat(x))[0]; }

}  // namespace

extern const LossTable loss_table;
const LossTable loss_table{cap_logits, accumulate, slopes, log_of};

}  // namespace caddie::cpu::CADDIE_ISA
