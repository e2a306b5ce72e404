#include <cmath>

#include "core/cpu/kernels/per_isa/simd_math.hpp"
#include "core/cpu/kernels/per_isa/strip.hpp"
#include "core/cpu/kernels/tables.hpp"

namespace caddie::cpu::CADDIE_ISA {
namespace {

// Far angles lose their bits in the reduction: lanes beyond the bound, and NaN, come from the C library.
template <bool kSine>
CADDIE_INLINE F circular(F x) {
  F sine;
  F cosine;
  const I far = ~(magnitude(x) <= splat(kLargestAngle));
  sine_cosine(select(far, F{}, x), sine, cosine);
  F result = kSine ? sine : cosine;
  if (any(far)) {
    for (int i = 0; i < kLanes; ++i) {
      if (far[i] != 0) result[i] = kSine ? ::sinf(x[i]) : ::cosf(x[i]);
    }
  }
  return result;
}

CADDIE_INLINE F sine_of(F x) { return circular<true>(x); }
CADDIE_INLINE F cosine_of(F x) { return circular<false>(x); }
CADDIE_INLINE F reciprocal_root(F x) { return splat(1.0F) / square_root(x); }

template <F (*kFunction)(F)>
void map_strip(const float* x, float* y, std::int64_t count) {
  for_strips(count, [=](std::int64_t i, std::int64_t n) { store_some(y + i, kFunction(load_some(x + i, n)), n); });
}

}  // namespace

extern const MathTable math_table;
const MathTable math_table{{map_strip<exponential>, map_strip<logarithm>, map_strip<hyperbolic_tangent>,
                            map_strip<logistic>, map_strip<sine_of>, map_strip<cosine_of>, map_strip<reciprocal_root>,
                            map_strip<square_root>}};

}  // namespace caddie::cpu::CADDIE_ISA
