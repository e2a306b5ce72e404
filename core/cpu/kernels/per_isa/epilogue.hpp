// What becomes of a finished rectangle of C (gemm.hpp).
#pragma once

#include "core/cpu/kernels/gemm.hpp"
#include "core/cpu/kernels/per_isa/simd_math.hpp"
#include "core/cpu/kernels/per_isa/strip.hpp"

namespace caddie::cpu::CADDIE_ISA {

template <Activation kActivation>
CADDIE_INLINE F activate(F x) {
  if constexpr (kActivation == Activation::relu) return select((x > F{}) | (x != x), x, F{});
  if constexpr (kActivation == Activation::gelu) {
    const F cube = x * x * x;
    const F inner = fma(cube, splat(0.044715F), x) * splat(0.7978845608F);
    return splat(0.5F) * x * (splat(1.0F) + hyperbolic_tangent(inner));
  }
  return x;
}

template <Activation kActivation>
inline void finish_rows(const Epilogue& e, std::int64_t rows, std::int64_t columns, float* c, std::int64_t ldc) {
  const F alpha = splat(e.alpha);
  const F beta = splat(e.beta);
  for (std::int64_t i = 0; i < rows; ++i) {
    const std::int64_t at = i * ldc;
    for_strips(columns, [&](std::int64_t j, std::int64_t n) {
      F x = load_some(c + at + j, n) * alpha;
      if (e.addend != nullptr) x = fma(load_some(e.addend + at + j, n), beta, x);
      if (e.bias != nullptr) x += load_some(e.bias + j, n);
      if (e.before != nullptr) store_some(e.before + at + j, x, n);
      store_some(c + at + j, activate<kActivation>(x), n);
    });
  }
}

inline void finish(const Epilogue& e, std::int64_t rows, std::int64_t columns, float* c, std::int64_t ldc) {
  switch (e.activation) {
    case Activation::none: return finish_rows<Activation::none>(e, rows, columns, c, ldc);
    case Activation::relu: return finish_rows<Activation::relu>(e, rows, columns, c, ldc);
    case Activation::gelu: return finish_rows<Activation::gelu>(e, rows, columns, c, ldc);
  }
}

// The same of the part that begins at (row, column) of the rectangle.
inline void finish_part(const Epilogue& e, std::int64_t row, std::int64_t column, std::int64_t rows, std::int64_t columns,
                        float* c, std::int64_t ldc) {
  Epilogue part = e;
  if (part.addend != nullptr) part.addend += row * ldc + column;
  if (part.before != nullptr) part.before += row * ldc + column;
  if (part.bias != nullptr) part.bias += column;
  finish(part, rows, columns, c, ldc);
}

}  // namespace caddie::cpu::CADDIE_ISA
