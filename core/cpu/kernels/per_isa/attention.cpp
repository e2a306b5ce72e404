// Attention in float32.
#include "core/cpu/kernels/per_isa/attention_table.hpp"

namespace caddie::cpu::CADDIE_ISA {

extern const AttentionTable attention_table;
const AttentionTable attention_table = attention::table_of<Float32Word>();

}  // namespace caddie::cpu::CADDIE_ISA
