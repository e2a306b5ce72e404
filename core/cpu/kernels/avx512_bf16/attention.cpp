// Attention with operands rounded to bfloat16, by the dot product of pairs.
#include "core/cpu/kernels/per_isa/attention_table.hpp"

namespace caddie::cpu::CADDIE_ISA {

extern const AttentionTable attention_bf16_table;
const AttentionTable attention_bf16_table = attention::table_of<Bfloat16Word>();

}  // namespace caddie::cpu::CADDIE_ISA
