// Which instruction set the kernels use. All that this machine can run are compiled in; the fastest is the default:
// the widest, but avx512_bf16 only on processors of AMD, which make a dot product of pairs a cycle (Zen 4 and later).
// Intel's make one in two cycles: half of their multiply-adds in float32.
//
// Results are bit-identical for any number of threads under one instruction set; between instruction sets they differ
// by rounding. Packed matrices (gemm.hpp) belong to the instruction set they were packed under.
//
// Threads: set_active_isa is for start-up and tests; no kernel may run at the same time.
#pragma once

#include <vector>

namespace caddie::cpu {

// avx512_bf16: avx512 with dot products of pairs in bfloat16. amx: with matrix products and attention on the tile unit.
enum class Isa { portable, avx2, avx512, avx512_bf16, amx };

const char* name(Isa isa);

// All that this machine can run, narrowest first; never empty.
const std::vector<Isa>& available_isas();

Isa active_isa();

// False, and nothing changes, if this machine cannot run `isa`.
bool set_active_isa(Isa isa);

}  // namespace caddie::cpu
