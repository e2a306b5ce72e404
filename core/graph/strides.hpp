// Walking over row-major tensors: strides, and a loop that keeps one offset per operand. Any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/graph/shape.hpp"

namespace caddie::graph {

using Strides = std::array<std::int64_t, Shape::kMaxRank>;

inline Strides row_major_strides(const Shape& shape) {
  Strides strides{};
  std::int64_t step = 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    strides[static_cast<std::size_t>(axis)] = step;
    step *= shape[axis];
  }
  return strides;
}

// Strides that read `from` at every index of `to`; 0 where it is stretched.
inline Strides broadcast_strides(const Shape& from, const Shape& to) {
  const Strides own = row_major_strides(from);
  Strides strides{};
  const int lead = to.rank() - from.rank();
  for (int axis = 0; axis < from.rank(); ++axis) {
    if (from[axis] != 1) strides[static_cast<std::size_t>(lead + axis)] = own[static_cast<std::size_t>(axis)];
  }
  return strides;
}

// body(offsets) for every index of `shape` in row-major order; offsets[n] = start[n] + sum of index * strides[n].
template <std::size_t N, class Body>
void walk(const Shape& shape, const std::array<Strides, N>& strides, std::array<std::int64_t, N> offsets, Body&& body) {
  std::array<std::int64_t, Shape::kMaxRank> index{};
  for (std::int64_t left = shape.elements(); left > 0; --left) {
    body(offsets);
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      const auto a = static_cast<std::size_t>(axis);
      for (std::size_t n = 0; n < N; ++n) offsets[n] += strides[n][a];
      if (++index[a] < shape[axis]) break;
      for (std::size_t n = 0; n < N; ++n) offsets[n] -= strides[n][a] * shape[axis];
      index[a] = 0;
    }
  }
}

}  // namespace caddie::graph
