// How C is cut up for the tile unit.
#pragma once

#include "core/cpu/kernels/amx/tile_unit.hpp"
#include "core/cpu/kernels/per_isa/prefetcher.hpp"

namespace caddie::cpu::CADDIE_ISA {

// A part of C that is summed in the unit's tiles.
struct Part {
  std::int64_t i = 0;
  std::int64_t j = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
};

// The elements of a matrix with C's strides that stand where a part of 32 columns does: fetched into L2, row by row.
class PartAhead {
 public:
  template <class Number>
  CADDIE_INLINE PartAhead(const Number* matrix, std::int64_t ld, const Part& part) {
    constexpr auto kBytes = static_cast<std::int64_t>(sizeof(Number));
    if (matrix == nullptr || part.height <= 0) return;
    row_ = reinterpret_cast<const char*>(matrix + part.i * ld + part.j);
    stride_ = kBytes * ld;
    second_line_ = kBytes * 2 * kTile - 64;
  }

  // What an epilogue reads most of.
  CADDIE_INLINE static PartAhead read_by(const Epilogue& e, std::int64_t ld, const Part& part) {
    if (e.narrow_slope_at != nullptr) return {e.narrow_slope_at, ld, part};
    return {e.slope_at != nullptr ? e.slope_at : e.addend, ld, part};
  }

  CADDIE_INLINE void fetch(std::int64_t rows) {
    if (row_ == nullptr) return;
    for (; rows > 0; --rows, row_ += stride_) {
      __builtin_prefetch(row_, 0, 2);
      __builtin_prefetch(row_ + second_line_, 0, 2);
    }
  }

 private:
  const char* row_ = nullptr;
  std::int64_t stride_ = 0;
  std::int64_t second_line_ = 0;  // from the first: 64 bytes, or none
};

// What happens while two panels are multiplied: memory is fetched, and the part before is finished.
template <class Unfinished>
struct Beside {
  Prefetcher& soon;
  Prefetcher& next_b;
  PartAhead c;
  PartAhead read;  // by the epilogue
  std::int64_t rows_in_step;
  Unfinished& before;

  CADDIE_INLINE void fetch() {
    soon.step();
    next_b.step();
    c.fetch(rows_in_step);
    read.fetch(rows_in_step);
  }
};

}  // namespace caddie::cpu::CADDIE_ISA
