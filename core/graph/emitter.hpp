// Short names for emitting operations, for the host: decompositions, derivatives, the training loss, tests.
#pragma once

#include <cstdint>
#include <vector>

#include "core/graph/graph.hpp"

namespace caddie::graph {

using Axes = std::vector<std::int64_t>;

struct Emitter {
  Graph& graph;

  // A copy: references into the graph end with the next emit.
  [[nodiscard]] Shape shape(Value x) const { return graph.shape(x); }

  // f32 constants: a scalar, and one value over a whole shape.
  Value scalar(double value) const { return filled({}, value); }
  Value filled(Shape shape, double value) const;
  // i32 indices along one axis of the shape.
  Value iota(Shape shape, std::int64_t axis) const;

  Value op(Op op, Value x) const { return graph.emit(op, {x}); }
  Value op(Op op, Value a, Value b) const { return graph.emit(op, {a, b}); }
  Value neg(Value x) const { return op(Op::neg, x); }
  Value exp(Value x) const { return op(Op::exp, x); }
  Value add(Value a, Value b) const { return op(Op::add, a, b); }
  Value sub(Value a, Value b) const { return op(Op::sub, a, b); }
  Value mul(Value a, Value b) const { return op(Op::mul, a, b); }
  Value div(Value a, Value b) const { return op(Op::div, a, b); }
  Value scale(Value x, double factor) const { return op(Op::mul, x, scalar(factor)); }
  Value where(Value mask, Value a, Value b) const { return graph.emit(Op::where, {mask, a, b}); }

  Value reduce(Op op, Value x, Axes axes, bool keep) const;
  // Over the last axis, which stays with length 1.
  Value sum_last(Value x) const { return reduce(Op::reduce_sum, x, {-1}, true); }
  // Adds an axis of length 1 at the end, or takes it away.
  Value with_last(Value x) const;
  Value without_last(Value x) const;

  Value reshape(Value x, Shape shape) const;
  Value transpose(Value x, Axes axes) const;
  Value broadcast(Value x, Shape shape) const;
  Value slice(Value x, Axes starts, Axes sizes) const;
  // size elements from start on along one axis, everything along the others.
  Value slice_axis(Value x, int axis, std::int64_t start, std::int64_t size) const;
  Value pad(Value x, Axes low, Axes high) const;
  Value concat(const std::vector<Value>& parts, std::int64_t axis) const;
  Value dot(Value a, Value b, Axes batch_a, Axes batch_b, Axes contract_a, Axes contract_b) const;
};

// [0, 1, ..., count-1].
Axes first_axes(int count);
Axes to_axes(const Shape& shape);

}  // namespace caddie::graph
