#include "core/graph/shape.hpp"

#include <algorithm>

namespace caddie::graph {

const char* to_string(DType type) { return type == DType::f32 ? "f32" : "i32"; }

Shape::Shape(std::span<const std::int64_t> lengths) {
  for (const std::int64_t length : lengths.first(std::min<std::size_t>(lengths.size(), kMaxRank))) append(length);
}

void Shape::append(std::int64_t length) {
  if (rank_ < kMaxRank) lengths_[static_cast<std::size_t>(rank_++)] = length;
}

std::int64_t Shape::elements() const {
  std::int64_t product = 1;
  for (const std::int64_t length : lengths()) product *= length;
  return product;
}

std::string Shape::text() const {
  std::string out = "[";
  for (int axis = 0; axis < rank_; ++axis) {
    if (axis > 0) out += ", ";
    out += std::to_string((*this)[axis]);
  }
  return out + "]";
}

bool broadcast_shapes(const Shape& a, const Shape& b, Shape& result) {
  const Shape& longer = a.rank() >= b.rank() ? a : b;
  const Shape& shorter = a.rank() >= b.rank() ? b : a;
  const int lead = longer.rank() - shorter.rank();
  result = longer;
  for (int axis = 0; axis < shorter.rank(); ++axis) {
    std::int64_t& length = result[lead + axis];
    if (shorter[axis] == length || shorter[axis] == 1) continue;
    if (length != 1) return false;
    length = shorter[axis];
  }
  return true;
}

}  // namespace caddie::graph
