// Matrix products of float32 numbers.
#include "core/cpu/kernels/per_isa/gemm_panels.hpp"

namespace caddie::cpu::CADDIE_ISA {

extern const GemmTable gemm_table;
const GemmTable gemm_table{.tile_rows = kTileRows,
                           .tile_columns = kTileColumns,
                           .halves = 2,
                           .depth_unit = 1,
                           .most_depth = 384,
                           .block_tiles = 10,
                           .pack_a = pack_rows<Float32Word>,
                           .pack_b = pack_columns<Float32Word>,
                           .multiply = multiply<Float32Word>,
                           .finish = finish};

}  // namespace caddie::cpu::CADDIE_ISA
