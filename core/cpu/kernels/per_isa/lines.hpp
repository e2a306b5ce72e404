// Rows of a matrix as typed pointers.
#pragma once

#include <type_traits>

#include "core/cpu/kernels/per_isa/simd.hpp"
#include "core/cpu/kernels/rowwise.hpp"

namespace caddie::cpu::CADDIE_ISA {

using std::int64_t;

template <typename T>
struct Lines {
  T* first;
  int64_t ld;
  CADDIE_INLINE T* operator[](int64_t row) const { return first == nullptr ? nullptr : first + row * ld; }
};

// body(Lines) with the numbers that are given.
template <typename AnyRows, typename Body>
CADDIE_INLINE void with(const AnyRows& rows, Body body) {
  if (rows.narrow != nullptr) {
    body(Lines<std::remove_pointer_t<decltype(rows.narrow)>>{rows.narrow, rows.ld});
  } else {
    body(Lines<std::remove_pointer_t<decltype(rows.data)>>{rows.data, rows.ld});
  }
}

}  // namespace caddie::cpu::CADDIE_ISA
