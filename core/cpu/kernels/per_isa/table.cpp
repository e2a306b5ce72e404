#include "core/cpu/kernels/tables.hpp"

namespace caddie::cpu::CADDIE_ISA {

extern const GemmTable gemm_table;
extern const AttentionTable attention_table;
extern const LossTable loss_table;
extern const RowTable row_table;
extern const MathTable math_table;
extern const CeilingTable ceiling_table;

const KernelTable table{&gemm_table, &gemm_table, &attention_table, &attention_table,
                        &loss_table, &row_table,  &math_table,      &ceiling_table};

}  // namespace caddie::cpu::CADDIE_ISA
