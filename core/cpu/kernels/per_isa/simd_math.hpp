// Elementary functions on vectors, good to about 2 units in the last place (tests/cpu/kernels/kernels_math_test.cpp
// measures them). NaN goes through; infinities, zeros and denormals behave as in the C library unless said otherwise.
// Range reductions and polynomials after the Cephes library's single-precision functions (Moshier 1992).
#pragma once

#include "core/cpu/kernels/per_isa/simd.hpp"

namespace caddie::cpu::CADDIE_ISA {

constexpr float kLog2E = 1.44269504F;
constexpr float kLn2 = 0.69314718F;

// a0 + x (a1 + x (a2 + ...))
template <typename... Rest>
CADDIE_INLINE F polynomial(F x, float first, Rest... rest) {
  if constexpr (sizeof...(Rest) == 0) {
    return splat(first);
  } else {
    return fma(x, polynomial(x, rest...), splat(first));
  }
}

// x rounded to an integer; |x| < 2^22. The sum leaves the integer in the low bits of the significand.
CADDIE_INLINE F round_small(F x) {
  const F magic = splat(12582912.0F);  // 1.5 * 2^23
  return (x + magic) - magic;
}

// 2^n for an integral -127 <= n <= 127; n = -127 gives 0.
CADDIE_INLINE F power_of_two(F n) { return as_float((to_int(n) + splat_int(127)) << splat_int(23)); }

// value * 2^n for an integral -252 <= n <= 254, with overflow to infinity and gradual underflow.
CADDIE_INLINE F scale_by_power(F value, F n) {
#if defined(__AVX512F__)
  // The masked form: GCC 12 warns about the plain one, whose ignored operand is undefined.
  return reinterpret_cast<F>(
      _mm512_maskz_scalef_ps(0xffff, reinterpret_cast<__m512>(value), reinterpret_cast<__m512>(n)));
#else
  const F half = round_small(n * splat(0.5F));
  return value * power_of_two(half) * power_of_two(n - half);
#endif
}

CADDIE_INLINE F exp2_polynomial(F r) {
  return polynomial(r, 1.0F, 6.931471880e-01F, 2.402265076e-01F, 5.550357114e-02F, 9.618082557e-03F, 1.339086336e-03F,
                    1.545316294e-04F);
}

// 2^x; infinity and 0 beyond what a float can be.
CADDIE_INLINE F exp2(F x) {
  x = larger(splat(-150.0F), smaller(splat(129.0F), x));
  const F n = round_small(x);
  return scale_by_power(exp2_polynomial(x - n), n);
}

// 2^x for x <= 0, for softmax: what is less than 2^-126 becomes 0, so that no slow denormals enter the products.
CADDIE_INLINE F exp2_nonpositive(F x) {
#if defined(__AVX512F__)
  const F n = round_small(x);
  const __mmask16 normal = _mm512_cmp_ps_mask(reinterpret_cast<__m512>(x), _mm512_set1_ps(-126.0F), _CMP_NLT_UQ);
  return reinterpret_cast<F>(_mm512_maskz_scalef_ps(normal, reinterpret_cast<__m512>(exp2_polynomial(x - n)),
                                                    reinterpret_cast<__m512>(n)));
#else
  x = larger(splat(-127.0F), x);
  const F n = round_small(x);
  // A NaN has passed the bound; the power of two made of it is finite, so the product stays NaN.
  return exp2_polynomial(x - n) * power_of_two(n);
#endif
}

#if defined(__AVX512F__)
// The same as exact as numbers of 8 bits need: to 2^-13, and 1 for x = 0.
CADDIE_INLINE F exp2_of_8_bits(F x) {
  const F shifted = x + splat(12582912.0F);  // as in round_small()
  const F r = x - (shifted - splat(12582912.0F));
  const F power = polynomial(r, 1.0F, 0.69328293F, 0.24221101F, 0.05500895F);
  const __mmask16 normal = _mm512_cmp_ps_mask(reinterpret_cast<__m512>(x), _mm512_set1_ps(-126.0F), _CMP_NLT_UQ);
  return reinterpret_cast<F>(_mm512_maskz_add_epi32(normal, reinterpret_cast<__m512i>(power),
                                                    reinterpret_cast<__m512i>(as_int(shifted) << splat_int(23))));
}
#endif

CADDIE_INLINE F exponential(F x) {
  x = larger(splat(-104.0F), smaller(splat(89.0F), x));
  const F n = round_small(x * splat(kLog2E));
  F r = fma(n, splat(-0.693359375F), x);
  r = fma(n, splat(2.12194440e-4F), r);
  const F q = polynomial(r, 5.0000001201e-1F, 1.6666665459e-1F, 4.1665795894e-2F, 8.3334519073e-3F, 1.3981999507e-3F,
                         1.9875691500e-4F);
  return scale_by_power(fma(q, r * r, r) + splat(1.0F), n);
}

CADDIE_INLINE F logarithm(F x) {
  const I tiny = x < splat(1.17549435e-38F);
  const F scaled = select(tiny, x * splat(8388608.0F), x);
  const I bits = as_int(select(scaled > F{}, scaled, splat(1.0F)));  // the rest is put right at the end
  // Significand in [sqrt(1/2), sqrt(2)).
  const I shifted = bits - splat_int(0x3f3504f3);
  const F e = to_float(shifted >> splat_int(23)) - select(tiny, splat(23.0F), F{});
  const F m = as_float((shifted & splat_int(0x007fffff)) + splat_int(0x3f3504f3)) - splat(1.0F);
  const F z = m * m;
  F y = polynomial(m, 3.3333331174E-1F, -2.4999993993E-1F, 2.0000714765E-1F, -1.6668057665E-1F, 1.4249322787E-1F,
                   -1.2420140846E-1F, 1.1676998740E-1F, -1.1514610310E-1F, 7.0376836292E-2F) * m * z;
  y = fma(e, splat(-2.12194440e-4F), y);
  y = fma(splat(-0.5F), z, y);
  F result = fma(e, splat(0.693359375F), m + y);
  const F infinity = splat(__builtin_inff());
  result = select(x == F{}, F{} - infinity, result);
  result = select(x < F{}, splat(__builtin_nanf("")), result);
  result = select(x == infinity, infinity, result);
  return select(x != x, x, result);
}

// m / (m + 2) with m = e^2|x| - 1, which keeps its digits near 0.
CADDIE_INLINE F hyperbolic_tangent(F x) {
  const F twice = smaller(splat(20.0F), magnitude(x) + magnitude(x));
  const F n = round_small(twice * splat(kLog2E));
  F r = fma(n, splat(-0.693359375F), twice);
  r = fma(n, splat(2.12194440e-4F), r);
  const F q = polynomial(r, 5.0000001201e-1F, 1.6666665459e-1F, 4.1665795894e-2F, 8.3334519073e-3F, 1.3981999507e-3F,
                         1.9875691500e-4F);
  const F power = power_of_two(n);
  const F m = fma(fma(q, r * r, r), power, power - splat(1.0F));
  const I sign = as_int(x) & splat_int(static_cast<std::int32_t>(0x80000000U));
  return as_float(as_int(m / (m + splat(2.0F))) | sign);
}

CADDIE_INLINE F logistic(F x) { return splat(1.0F) / (splat(1.0F) + exponential(F{} - x)); }

// Both at once, for |x| <= kLargestAngle; beyond that the caller uses the C library. Absolute error about 1e-7.
constexpr float kLargestAngle = 8192.0F;

CADDIE_INLINE void sine_cosine(F x, F& sine, F& cosine) {
  const F n = round_small(x * splat(0.636619772F));
  F r = fma(n, splat(-1.5703125F), x);
  r = fma(n, splat(-4.837512969970703125e-4F), r);
  r = fma(n, splat(-7.549789948768648e-8F), r);
  const F z = r * r;
  const F s = fma(polynomial(z, -1.6666654611E-1F, 8.3321608736E-3F, -1.9515295891E-4F) * z, r, r);
  const F c = fma(z * z, polynomial(z, 4.166664568298827E-2F, -1.388731625493765E-3F, 2.443315711809948E-5F),
                  splat(1.0F) - z * splat(0.5F));
  const I quadrant = to_int(n);
  const I swapped = (quadrant & splat_int(1)) != I{};
  const I sign_of_sine = (quadrant & splat_int(2)) << splat_int(30);
  const I sign_of_cosine = ((quadrant + splat_int(1)) & splat_int(2)) << splat_int(30);
  sine = as_float(as_int(select(swapped, c, s)) ^ sign_of_sine);
  cosine = as_float(as_int(select(swapped, s, c)) ^ sign_of_cosine);
}

}  // namespace caddie::cpu::CADDIE_ISA
