// Matrix products of factors in bfloat16 by the dot product of pairs (VDPBF16PS): twice as many multiply-adds as in
// float32 where the processor makes one a cycle (isa.hpp). Denormal factors and sums count as 0.
#include "core/cpu/kernels/per_isa/gemm_panels.hpp"

namespace caddie::cpu::CADDIE_ISA {
namespace {

void multiply_narrow(const float* packed_a, const float* packed_b, std::int64_t panel_stride, std::int64_t rows,
                     std::int64_t columns, std::int64_t depth, std::uint16_t* c, std::int64_t ldc,
                     const Upcoming& upcoming, const Epilogue& epilogue) {
  multiply<Bfloat16Word>(packed_a, packed_b, panel_stride, rows, columns, depth, c, ldc, false, upcoming, epilogue);
}

}  // namespace

extern const GemmTable gemm_bf16_table;
const GemmTable gemm_bf16_table{.tile_rows = kTileRows,
                                .tile_columns = kTileColumns,
                                .halves = 1,
                                .depth_unit = 2,
                                .most_depth = 1024,
                                .block_tiles = 10,
                                .pack_a = pack_rows<Bfloat16Word>,
                                .pack_b = pack_columns<Bfloat16Word>,
                                .multiply = multiply<Bfloat16Word>,
                                .finish = finish,
                                .pack_narrow_a = pack_rows<Bfloat16Word>,
                                .pack_narrow_b = pack_columns<Bfloat16Word>,
                                .multiply_narrow = multiply_narrow};

}  // namespace caddie::cpu::CADDIE_ISA
