#include "core/cpu/kernels/tables.hpp"

namespace caddie::cpu::CADDIE_ISA {

extern const GemmTable gemm_table;
extern const AttentionTable attention_table;

const KernelTable table{&gemm_table, &attention_table};

}  // namespace caddie::cpu::CADDIE_ISA
