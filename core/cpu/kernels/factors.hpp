// How exact the factors of products are. Sums are in float32 always.
#pragma once

namespace caddie::cpu {

// bf16: factors are rounded to bfloat16 where the processor multiplies those faster (isa.hpp: avx512_bf16, amx);
// elsewhere it is f32.
enum class Factors { f32, bf16 };

}  // namespace caddie::cpu
