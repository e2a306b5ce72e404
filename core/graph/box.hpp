// A box inside a value: a start and a length along every axis. Plain values; inside core/graph only.
#pragma once

#include "core/graph/shape.hpp"

namespace caddie::graph {

struct Box {
  Shape starts;
  Shape sizes;

  static Box whole(const Shape& shape);
  [[nodiscard]] std::int64_t end(int axis) const { return starts[axis] + sizes[axis]; }
  [[nodiscard]] bool is_whole(const Shape& shape) const { return sizes == shape; }
  void set(int axis, std::int64_t start, std::int64_t size);
  friend bool operator==(const Box&, const Box&) = default;
};

// The smallest box around both.
Box hull(const Box& a, const Box& b);

// The same elements of a value shaped `from` that reshape makes `box` of a value shaped `to` from. `box` grows where its
// elements are no box of `from`.
Box before_reshape(const Shape& from, const Shape& to, Box& box);

}  // namespace caddie::graph
