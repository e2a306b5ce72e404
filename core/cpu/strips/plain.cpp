// Strip functions without vectors.
#include <bit>
#include <cmath>

#include "core/cpu/strips/tables.hpp"

namespace caddie::cpu {
namespace {

using I32 = std::int32_t;

template <float (*function)(float)>
void one(float* out, const float* a, const float*, const float*, std::int64_t n, unsigned scalars) {
  const std::int64_t step = (scalars & 1U) != 0 ? 0 : 1;
  for (std::int64_t i = 0; i < n; ++i) out[i] = function(a[i * step]);
}

template <float (*function)(float, float)>
void two(float* out, const float* a, const float* b, const float*, std::int64_t n, unsigned scalars) {
  const std::int64_t step_a = (scalars & 1U) != 0 ? 0 : 1;
  const std::int64_t step_b = (scalars & 2U) != 0 ? 0 : 1;
  for (std::int64_t i = 0; i < n; ++i) out[i] = function(a[i * step_a], b[i * step_b]);
}

template <I32 (*function)(I32, I32)>
float on_bits(float a, float b) {
  return std::bit_cast<float>(function(std::bit_cast<I32>(a), std::bit_cast<I32>(b)));
}

float sine(float x) { return std::sin(x); }
float cosine(float x) { return std::cos(x); }
float power(float a, float b) { return std::pow(a, b); }

// The one quotient beyond 32 bits wraps around.
I32 floor_div(I32 a, I32 b) {
  if (b == 0) return 0;
  const std::int64_t quotient = std::int64_t{a} / b;
  const bool below = std::int64_t{a} % b != 0 && (a < 0) != (b < 0);
  return static_cast<I32>(static_cast<std::uint32_t>(quotient - (below ? 1 : 0)));
}

I32 floor_mod(I32 a, I32 b) {
  if (b == 0) return 0;
  const std::int64_t rest = std::int64_t{a} % b;
  return static_cast<I32>(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);
}

}  // namespace

StripFunction plain_strip_function(StripOp op) {
  switch (op) {
    case StripOp::sin: return one<sine>;
    case StripOp::cos: return one<cosine>;
    case StripOp::pow: return two<power>;
    case StripOp::int_div: return two<on_bits<floor_div>>;
    case StripOp::int_mod: return two<on_bits<floor_mod>>;
    default: return nullptr;
  }
}

}  // namespace caddie::cpu
