#include "core/cpu/kernels/per_isa/simd_math.hpp"
#include "core/cpu/kernels/per_isa/strip.hpp"
#include "core/cpu/kernels/tables.hpp"

namespace caddie::cpu::CADDIE_ISA {
namespace {

using std::int64_t;

CADDIE_INLINE F weight_at(const float* weight, int64_t i, int64_t n) {
  return weight == nullptr ? splat(1.0F) : load_some(weight + i, n);
}

float sum(const float* x, int64_t count) {
  return sum_of(count, [=](int64_t i, int64_t n) { return load_some(x + i, n); });
}

float sum_of_squares(const float* x, int64_t count) {
  return sum_of(count, [=](int64_t i, int64_t n) {
    const F v = load_some(x + i, n);
    return v * v;
  });
}

void scale(const float* x, const float* weight, float factor, int64_t count, float* y) {
  for_strips(count, [=](int64_t i, int64_t n) {
    store_some(y + i, load_some(x + i, n) * splat(factor) * weight_at(weight, i, n), n);
  });
}

float dot(const float* a, const float* b, const float* weight, int64_t count) {
  return sum_of(count, [=](int64_t i, int64_t n) {
    return load_some(a + i, n) * load_some(b + i, n) * weight_at(weight, i, n);
  });
}

void combine(const float* a, const float* weight, float p, const float* b, float q, int64_t count, float* out) {
  for_strips(count, [=](int64_t i, int64_t n) {
    const F first = load_some(a + i, n) * weight_at(weight, i, n) * splat(p);
    store_some(out + i, fma(splat(q), load_some(b + i, n), first), n);
  });
}

void add_product(const float* a, const float* b, float factor, int64_t count, float* out) {
  for_strips(count, [=](int64_t i, int64_t n) {
    store_some(out + i, fma(load_some(a + i, n) * splat(factor), load_some(b + i, n), load_some(out + i, n)), n);
  });
}

void add(const float* x, int64_t count, float* out) {
  for_strips(count, [=](int64_t i, int64_t n) { store_some(out + i, load_some(out + i, n) + load_some(x + i, n), n); });
}

float exp_sum(const float* x, float shift, int64_t count, float* y) {
  return sum_of(count, [=](int64_t i, int64_t n) {
    const F e = exponential(load_some(x + i, n, -__builtin_inff()) - splat(shift));
    if (y != nullptr) store_some(y + i, e, n);
    return e;
  });
}

void softmax_slopes(const float* y, const float* dy, float mean_slope, int64_t count, float* out) {
  for_strips(count, [=](int64_t i, int64_t n) {
    store_some(out + i, load_some(y + i, n) * (load_some(dy + i, n) - splat(mean_slope)), n);
  });
}

}  // namespace

extern const RowTable row_table;
const RowTable row_table{sum, sum_of_squares, largest_of, scale, dot, combine, add_product, add, exp_sum,
                         softmax_slopes};

}  // namespace caddie::cpu::CADDIE_ISA
