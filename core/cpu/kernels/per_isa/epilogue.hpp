// What becomes of a finished rectangle of C (gemm.hpp).
#pragma once

#include "core/cpu/kernels/gemm.hpp"
#include "core/cpu/kernels/per_isa/simd_math.hpp"
#include "core/cpu/kernels/per_isa/strip.hpp"

namespace caddie::cpu::CADDIE_ISA {

// GELU is x/2 (1 + tanh u) = x / (1 + e^-2u) with u = sqrt(2/pi) (x + 0.044715 x^3); here log2 of the power.
CADDIE_INLINE F gelu_exponent(F x) {
  constexpr float kLinear = -2 * 0.7978845608F * kLog2E;
  return x * fma(x * x, splat(0.044715F * kLinear), splat(kLinear));
}

template <Activation kActivation>
CADDIE_INLINE F activate(F x, F leak) {
  if constexpr (kActivation == Activation::relu) return select((x > F{}) | (x != x), x, F{});
  if constexpr (kActivation == Activation::gelu) return x / (splat(1.0F) + exp2(gelu_exponent(x)));
  if constexpr (kActivation == Activation::squared_relu) {
    const F bent = select(x > F{}, x, x * leak);
    return bent * bent;
  }
  return x;
}

// The derivative at x.
template <Activation kActivation>
CADDIE_INLINE F slope(F x, F leak) {
  if constexpr (kActivation == Activation::gelu) {
    const F power = exp2(smaller(splat(126.0F), gelu_exponent(x)));  // finite: times the gate it is 1 - gate
    const F gate = splat(1.0F) / (splat(1.0F) + power);
    const F inner = fma(x * x, splat(6 * 0.044715F * 0.7978845608F), splat(2 * 0.7978845608F));  // 2 du/dx
    return fma(x * inner, gate * (gate * power), gate);
  }
  if constexpr (kActivation == Activation::squared_relu) return (x + x) * select(x > F{}, splat(1.0F), leak * leak);
  return splat(1.0F);
}

// Reads `from`, [rows, columns] of sums; writes `to` (which may be `from`) or `narrow`. All else has the strides of
// what is written.
struct Finishing {
  const float* from = nullptr;
  std::int64_t from_ld = 0;
  float* to = nullptr;
  std::uint16_t* narrow = nullptr;  // instead of `to`
  std::int64_t ld = 0;
};

// The epilogue of n sums at `at` from C's first element, in column j.
template <Activation kActivation, bool kIsSlope>
class Finisher {
 public:
  CADDIE_INLINE explicit Finisher(const Epilogue& e)
      : e_(e), alpha_(splat(e.alpha)), beta_(splat(e.beta)), leak_(splat(e.leak)) {}

  CADDIE_INLINE F operator()(F sum, std::int64_t at, std::int64_t j, std::int64_t n) const {
    F x = sum * alpha_;
    if (e_.addend != nullptr) x = fma(load_some(e_.addend + at, n), beta_, x);
    if (e_.bias != nullptr) x += load_some(e_.bias + j, n);
    if constexpr (kIsSlope) {
      return x * slope<kActivation>(e_.slope_at != nullptr ? load_some(e_.slope_at + at, n)
                                                           : load_bf16(e_.narrow_slope_at + at, n), leak_);
    }
    if (e_.before != nullptr) {  // the backward pass reads it
      if (n == kLanes) {
        store_past_caches(e_.before + at, x);
      } else {
        store_first(e_.before + at, x, n);
      }
    }
    if (e_.narrow_before != nullptr) store_bf16(e_.narrow_before + at, x, n);
    return activate<kActivation>(x, leak_);
  }

 private:
  const Epilogue& e_;
  F alpha_;
  F beta_;
  F leak_;
};

// visit.template operator()<activation, is_slope>() with those of the epilogue.
template <class Visit>
CADDIE_INLINE auto with_activation(const Epilogue& e, Visit visit) {
  const bool is_slope = e.slope_at != nullptr || e.narrow_slope_at != nullptr;
  switch (e.activation) {
    case Activation::relu: return visit.template operator()<Activation::relu, false>();
    case Activation::gelu:
      return is_slope ? visit.template operator()<Activation::gelu, true>()
                      : visit.template operator()<Activation::gelu, false>();
    case Activation::squared_relu:
      return is_slope ? visit.template operator()<Activation::squared_relu, true>()
                      : visit.template operator()<Activation::squared_relu, false>();
    case Activation::none: break;
  }
  return visit.template operator()<Activation::none, false>();
}

template <Activation kActivation, bool kIsSlope>
inline void finish_rows(const Epilogue& e, std::int64_t row, std::int64_t end, std::int64_t columns,
                        const Finishing& f) {
  const Finisher<kActivation, kIsSlope> finished(e);
  for (std::int64_t i = row; i < end; ++i) {
    for_strips(columns, [&](std::int64_t j, std::int64_t n) {
      const F x = finished(load_some(f.from + i * f.from_ld + j, n), i * f.ld + j, j, n);
      if (f.narrow != nullptr) {
        store_bf16(f.narrow + i * f.ld + j, x, n);
      } else {
        store_some(f.to + i * f.ld + j, x, n);
      }
    });
  }
}

// Nothing but rounding.
inline void narrow_rows(std::int64_t row, std::int64_t end, std::int64_t columns, const Finishing& f) {
  for (std::int64_t i = row; i < end; ++i) {
    for_strips(columns, [&](std::int64_t j, std::int64_t n) {
      store_bf16(f.narrow + i * f.ld + j, load_some(f.from + i * f.from_ld + j, n), n);
    });
  }
}

inline void finish_rows(const Epilogue& e, std::int64_t row, std::int64_t end, std::int64_t columns,
                        const Finishing& f) {
  if (f.narrow != nullptr && e.is_plain()) return narrow_rows(row, end, columns, f);
  with_activation(e, [&]<Activation kActivation, bool kIsSlope>() {
    finish_rows<kActivation, kIsSlope>(e, row, end, columns, f);
  });
}

// In place.
inline void finish(const Epilogue& e, std::int64_t rows, std::int64_t columns, float* c, std::int64_t ldc) {
  finish_rows(e, 0, rows, columns, {c, ldc, c, nullptr, ldc});
  if (e.before != nullptr) fence_stores();
}

}  // namespace caddie::cpu::CADDIE_ISA
