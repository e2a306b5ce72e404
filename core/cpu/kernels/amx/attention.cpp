// Attention on the tile unit: float32 by three planes, or rounded to bfloat16 (planes.hpp).
#include "core/cpu/kernels/amx/attention_backward.hpp"
#include "core/cpu/kernels/amx/attention_forward.hpp"
#include "core/cpu/kernels/tables.hpp"

namespace caddie::cpu::CADDIE_ISA {
namespace {

template <int kPlanes>
constexpr AttentionTable table_of() {
  return {.forward_floats = attention::forward_floats<kPlanes>,
          .backward_floats = attention::backward_floats<kPlanes>,
          .query_panels = attention::query_panels,
          .forward = attention::forward<kPlanes>,
          .backward = attention::backward<kPlanes>};
}

}  // namespace

extern const AttentionTable attention_table;
extern const AttentionTable attention_bf16_table;
const AttentionTable attention_table = table_of<3>();
const AttentionTable attention_bf16_table = table_of<1>();

}  // namespace caddie::cpu::CADDIE_ISA
