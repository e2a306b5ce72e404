// How C is cut up for the tile unit.
#pragma once

#include "core/cpu/kernels/tables.hpp"

namespace caddie::cpu::CADDIE_ISA {

// A part of C that is summed in the unit's tiles.
struct Part {
  std::int64_t i = 0;
  std::int64_t j = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
};

// The elements of a matrix with C's strides that stand where the part does.
template <class Number>
Upcoming part_of(const Number* matrix, std::int64_t ld, const Part& part) {
  constexpr auto kBytes = static_cast<std::int64_t>(sizeof(Number));
  if (matrix == nullptr || part.height <= 0 || part.width <= 0) return {};
  return {reinterpret_cast<const char*>(matrix + part.i * ld + part.j), part.height, kBytes * part.width, kBytes * ld};
}

// The largest thing that the epilogue reads for the part.
inline Upcoming read_by(const Epilogue& e, std::int64_t ld, const Part& part) {
  if (e.narrow_slope_at != nullptr) return part_of(e.narrow_slope_at, ld, part);
  return part_of(e.slope_at != nullptr ? e.slope_at : e.addend, ld, part);
}

}  // namespace caddie::cpu::CADDIE_ISA
