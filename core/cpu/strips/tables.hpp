// The strip functions that exist once for each instruction set. Internal to strips.
#pragma once

#include "core/cpu/strips/strips.hpp"

namespace caddie::cpu {

struct StripTable {
  StripFunction (*function)(StripOp);  // nullptr for what only plain.cpp has
  StripReduction (*reduction)(Reduce);
  void (*widen_block)(float* out, const std::uint16_t* x, const Block& block);
  void (*narrow)(std::uint16_t* out, const float* x, std::int64_t n);
  void (*copy_block)(float* out, const float* x, const Block& block);
  void (*repeat_elements)(float* out, const float* x, std::int64_t stride, std::int64_t length, std::int64_t rows);
};

namespace portable { extern const StripTable strip_table; }
namespace avx2 { extern const StripTable strip_table; }
namespace avx512 { extern const StripTable strip_table; }

// Element by element with the standard library: operations too rare for more.
StripFunction plain_strip_function(StripOp op);

}  // namespace caddie::cpu
