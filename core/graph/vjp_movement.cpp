// Derivatives of operations that move elements: the gradient moves back.
#include "core/graph/vjp.hpp"

namespace caddie::graph {
namespace {

Axes attribute(const VjpCall& c, const char* key) {
  const auto list = c.node.attributes.integers(key);
  return {list.begin(), list.end()};
}

void transpose_vjp(VjpCall& c) {
  const Axes axes = attribute(c, "axes");
  Axes back(axes.size());
  for (std::size_t i = 0; i < axes.size(); ++i) back[static_cast<std::size_t>(axes[i])] = static_cast<std::int64_t>(i);
  c.gradients[0] = c.e.transpose(c.adjoint(), std::move(back));
}

void slice_vjp(VjpCall& c) {
  Axes low = attribute(c, "starts");
  const Axes sizes = attribute(c, "sizes");
  Axes high(low.size());
  for (std::size_t i = 0; i < low.size(); ++i) high[i] = c.shape(0)[static_cast<int>(i)] - low[i] - sizes[i];
  c.gradients[0] = c.e.pad(c.adjoint(), std::move(low), std::move(high));
}

void concat_vjp(VjpCall& c) {
  const auto axis = static_cast<int>(c.node.attributes.integer("axis"));
  std::int64_t start = 0;
  for (std::size_t i = 0; i < c.node.inputs.size(); ++i) {
    const std::int64_t size = c.shape(i)[axis];
    if (c.wanted[i]) c.gradients[i] = c.e.slice_axis(c.adjoint(), axis, start, size);
    start += size;
  }
}

Vjp movement_function(Op op) {
  switch (op) {
    case Op::reshape: return [](VjpCall& c) { c.gradients[0] = c.e.reshape(c.adjoint(), c.shape(0)); };
    case Op::transpose: return transpose_vjp;
    case Op::broadcast: return [](VjpCall& c) { c.give(0, c.adjoint()); };
    case Op::slice: return slice_vjp;
    case Op::pad:
      return [](VjpCall& c) { c.gradients[0] = c.e.slice(c.adjoint(), attribute(c, "low"), to_axes(c.shape(0))); };
    case Op::concat: return concat_vjp;
    case Op::reverse:
      return [](VjpCall& c) { c.gradients[0] = c.e.graph.emit(Op::reverse, {c.adjoint()}, c.node.attributes); };
    default: return nullptr;
  }
}

}  // namespace

VjpRow movement_vjp(Op op) {
  const Vjp function = movement_function(op);
  return function != nullptr ? VjpRow{VjpRow::Kind::function, function} : VjpRow{};
}

}  // namespace caddie::graph
