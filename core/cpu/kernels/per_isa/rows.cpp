#include "core/cpu/kernels/per_isa/norms.hpp"
#include "core/cpu/kernels/per_isa/rope.hpp"
#include "core/cpu/kernels/tables.hpp"

namespace caddie::cpu::CADDIE_ISA {
namespace {

void scale(const float* x, float factor, int64_t count, float* y) {
  for_strips(count, [=](int64_t i, int64_t n) { store_some(y + i, load_some(x + i, n) * splat(factor), n); });
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

}  // namespace

extern const RowTable row_table;
const RowTable row_table{largest_of,          scale, rms_norm, rms_norm_backward, layer_norm,
                         layer_norm_backward, rope,  add,      exp_sum};

}  // namespace caddie::cpu::CADDIE_ISA
