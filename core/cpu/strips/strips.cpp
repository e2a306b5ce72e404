#include "core/cpu/strips/strips.hpp"

#include <algorithm>

#include "core/cpu/kernels/isa.hpp"
#include "core/cpu/strips/tables.hpp"

namespace caddie::cpu {
namespace {

const StripTable& table() {
  switch (active_isa()) {
#if defined(CADDIE_X86)
    case Isa::amx:
    case Isa::avx512_bf16:
    case Isa::avx512: return avx512::strip_table;
    case Isa::avx2: return avx2::strip_table;
#endif
    default: return portable::strip_table;
  }
}

}  // namespace

StripFunction strip_function(StripOp op) {
  const StripFunction fast = table().function(op);
  return fast != nullptr ? fast : plain_strip_function(op);
}

StripReduction strip_reduction(Reduce reduce) { return table().reduction(reduce); }

void widen_block(float* out, const std::uint16_t* x, const Block& block) { table().widen_block(out, x, block); }
void narrow_strip(std::uint16_t* out, const float* x, std::int64_t n) { table().narrow(out, x, n); }

void copy_block(float* out, const float* x, const Block& block) { table().copy_block(out, x, block); }
void repeat_elements(float* out, const float* x, std::int64_t stride, std::int64_t length, std::int64_t rows) {
  table().repeat_elements(out, x, stride, length, rows);
}

void read_strided(float* out, const float* x, std::int64_t stride, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = x[i * stride];
}

void fill_strip(float* out, float value, std::int64_t n) { std::fill_n(out, n, value); }

}  // namespace caddie::cpu
