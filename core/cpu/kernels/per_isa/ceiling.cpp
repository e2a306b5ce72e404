// A loop of independent multiply-adds in registers: acc <- acc * x + y moves every chain to and fro around y / (1 - x)
// with all bits of the significand in motion. (Zeros would flatter the machine: they draw less power.)
#include "core/cpu/kernels/per_isa/simd.hpp"
#include "core/cpu/kernels/tables.hpp"

namespace caddie::cpu::CADDIE_ISA {
namespace {

constexpr int kChains = kLanes == 16 ? 16 : 12;

double multiply_adds(std::int64_t count, float* out) {
  F x;
  F y;
  F chains[kChains];
  for (int i = 0; i < kLanes; ++i) {
    x[i] = -0.99999F - 1e-7F * static_cast<float>(i);
    y[i] = 0.7390851F + 0.0137F * static_cast<float>(i);
  }
  for (int c = 0; c < kChains; ++c) chains[c] = y * splat(-0.2F * static_cast<float>(c + 1));
  for (std::int64_t i = 0; i < count; ++i) {
#pragma GCC unroll 16
    for (int c = 0; c < kChains; ++c) chains[c] = fma(chains[c], x, y);
  }
  F sum{};
  for (int c = 0; c < kChains; ++c) sum += chains[c];
  *out = sum_lanes(sum);
  return 2.0 * kChains * kLanes * static_cast<double>(count);
}

}  // namespace

extern const CeilingTable ceiling_table;
const CeilingTable ceiling_table{multiply_adds};

}  // namespace caddie::cpu::CADDIE_ISA
