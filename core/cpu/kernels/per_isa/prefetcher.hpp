// Fetches memory that will be read soon, bit by bit, while something else is computed.
#pragma once

#include "core/cpu/kernels/per_isa/simd.hpp"
#include "core/cpu/kernels/tables.hpp"

namespace caddie::cpu::CADDIE_ISA {

// Spreads the prefetches of an Upcoming evenly over calls of step().
class Prefetcher {
 public:
  Prefetcher(const Upcoming& memory, std::int64_t calls)
      : row_(memory.data), stride_(memory.stride), lines_((memory.bytes + kLine - 1) / kLine), rows_(memory.rows),
        per_call_((lines_ * rows_ + calls - 1) / calls) {}

  CADDIE_INLINE void step() {
    for (std::int64_t i = 0; i < per_call_ && rows_ > 0; ++i) {
      __builtin_prefetch(row_ + line_ * kLine, 0, 2);
      if (++line_ == lines_) {
        line_ = 0;
        row_ += stride_;
        --rows_;
      }
    }
  }

 private:
  static constexpr std::int64_t kLine = 64;
  const char* row_;
  std::int64_t stride_;
  std::int64_t lines_;
  std::int64_t rows_;
  std::int64_t line_ = 0;
  std::int64_t per_call_;
};

}  // namespace caddie::cpu::CADDIE_ISA
