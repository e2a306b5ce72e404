#include "core/graph/box.hpp"

#include <algorithm>

namespace caddie::graph {

Box Box::whole(const Shape& shape) {
  Box box{shape, shape};
  for (int axis = 0; axis < shape.rank(); ++axis) box.starts[axis] = 0;
  return box;
}

void Box::set(int axis, std::int64_t start, std::int64_t size) {
  starts[axis] = start;
  sizes[axis] = size;
}

Box hull(const Box& a, const Box& b) {
  Box both = a;
  for (int axis = 0; axis < a.starts.rank(); ++axis) {
    const std::int64_t start = std::min(a.starts[axis], b.starts[axis]);
    both.set(axis, start, std::max(a.end(axis), b.end(axis)) - start);
  }
  return both;
}

namespace {

// Neighbouring axes of both shapes with the same product; lengths of 1 do not count.
struct AxisGroup {
  int first = 0, end = 0;  // of a shape's axes
  int lead = -1;           // the first axis longer than 1, or -1
  int long_axes = 0;
  std::int64_t inner = 1;  // elements behind one step of `lead`
};

AxisGroup take_group(const Shape& shape, int first, int end) {
  AxisGroup group{first, end};
  for (int axis = first; axis < end; ++axis) {
    if (shape[axis] == 1) continue;
    ++group.long_axes;
    if (group.lead < 0) {
      group.lead = axis;
    } else {
      group.inner *= shape[axis];
    }
  }
  return group;
}

bool is_whole(const Shape& shape, const Box& box, int first, int end) {
  for (int axis = first; axis < end; ++axis) {
    if (box.sizes[axis] != shape[axis]) return false;
  }
  return true;
}

// Carries the part of the box in `there` over to `here`; false where it is no box there.
bool carry(const Shape& to, const Box& box, const AxisGroup& there, const AxisGroup& here, Box& result) {
  if (is_whole(to, box, there.first, there.end)) return true;
  if (!is_whole(to, box, there.lead + 1, there.end)) return false;
  const std::int64_t start = box.starts[there.lead] * there.inner;
  const std::int64_t size = box.sizes[there.lead] * there.inner;
  if (start % here.inner != 0 || size % here.inner != 0) return false;
  result.set(here.lead, start / here.inner, size / here.inner);
  return true;
}

}  // namespace

Box before_reshape(const Shape& from, const Shape& to, Box& box) {
  Box result = Box::whole(from);
  int i = 0;
  int j = 0;
  while (i < from.rank() || j < to.rank()) {
    const int first = i;
    const int first_to = j;
    std::int64_t here = i < from.rank() ? from[i++] : 1;
    std::int64_t there = j < to.rank() ? to[j++] : 1;
    while (here != there) {
      if (here < there) {
        here *= from[i++];
      } else {
        there *= to[j++];
      }
    }
    const AxisGroup group = take_group(from, first, i);
    const AxisGroup group_to = take_group(to, first_to, j);
    if (carry(to, box, group_to, group, result)) continue;
    for (int axis = first_to; axis < j; ++axis) box.set(axis, 0, to[axis]);
  }
  return result;
}

}  // namespace caddie::graph
