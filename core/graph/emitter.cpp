#include "core/graph/emitter.hpp"

#include <numeric>
#include <utility>

namespace caddie::graph {

Axes first_axes(int count) {
  Axes axes(static_cast<std::size_t>(count));
  std::iota(axes.begin(), axes.end(), 0);
  return axes;
}

Axes to_axes(const Shape& shape) { return {shape.lengths().begin(), shape.lengths().end()}; }

Value Emitter::filled(Shape shape, double value) const {
  return graph.emit(Op::constant, {},
                    Attributes().set("values", std::vector<double>{value}).set("shape", to_axes(shape)));
}

Value Emitter::iota(Shape shape, std::int64_t axis) const {
  return graph.emit(
      Op::iota, {},
      Attributes().set("shape", to_axes(shape)).set("axis", axis).set("dtype", static_cast<std::int64_t>(DType::i32)));
}

Value Emitter::reduce(Op op, Value x, Axes axes, bool keep) const {
  return graph.emit(op, {x}, Attributes().set("axes", std::move(axes)).set("keep", std::int64_t{keep}));
}

Value Emitter::with_last(Value x) const {
  Axes lengths = to_axes(shape(x));
  lengths.push_back(1);
  return graph.emit(Op::reshape, {x}, Attributes().set("shape", std::move(lengths)));
}

Value Emitter::without_last(Value x) const {
  Axes lengths = to_axes(shape(x));
  if (!lengths.empty()) lengths.pop_back();
  return graph.emit(Op::reshape, {x}, Attributes().set("shape", std::move(lengths)));
}

Value Emitter::reshape(Value x, Shape shape) const {
  return graph.emit(Op::reshape, {x}, Attributes().set("shape", to_axes(shape)));
}

Value Emitter::transpose(Value x, Axes axes) const {
  return graph.emit(Op::transpose, {x}, Attributes().set("axes", std::move(axes)));
}

Value Emitter::broadcast(Value x, Shape shape) const {
  return graph.emit(Op::broadcast, {x}, Attributes().set("shape", to_axes(shape)));
}

Value Emitter::slice(Value x, Axes starts, Axes sizes) const {
  return graph.emit(Op::slice, {x}, Attributes().set("starts", std::move(starts)).set("sizes", std::move(sizes)));
}

Value Emitter::slice_axis(Value x, int axis, std::int64_t start, std::int64_t size) const {
  Axes sizes = to_axes(shape(x));
  Axes starts(sizes.size(), 0);
  if (sizes.empty()) return slice(x, {start}, {size});
  starts[static_cast<std::size_t>(axis)] = start;
  sizes[static_cast<std::size_t>(axis)] = size;
  return slice(x, std::move(starts), std::move(sizes));
}

Value Emitter::pad(Value x, Axes low, Axes high) const {
  return graph.emit(Op::pad, {x}, Attributes().set("low", std::move(low)).set("high", std::move(high)));
}

Value Emitter::concat(const std::vector<Value>& parts, std::int64_t axis) const {
  return graph.emit(Op::concat, parts, Attributes().set("axis", axis));
}

Value Emitter::dot(Value a, Value b, Axes batch_a, Axes batch_b, Axes contract_a, Axes contract_b) const {
  return graph.emit(Op::dot, {a, b},
                    Attributes()
                        .set("batch_a", std::move(batch_a))
                        .set("batch_b", std::move(batch_b))
                        .set("contract_a", std::move(contract_a))
                        .set("contract_b", std::move(contract_b)));
}

}  // namespace caddie::graph
