// Derivatives of reductions, contraction and index operations; sources have none.
#include <algorithm>

#include "core/graph/vjp.hpp"

namespace caddie::graph {
namespace {

Axes attribute(const VjpCall& c, const char* key) {
  const auto list = c.node.attributes.integers(key);
  return {list.begin(), list.end()};
}

// ---- reductions -----------------------------------------------------------------------------------------------------

// A result of the reduction with its axes back at length 1.
Value with_axes(const VjpCall& c, Value y) {
  Shape kept = c.shape(0);
  for (const std::int64_t axis : attribute(c, "axes")) kept[static_cast<int>(axis)] = 1;
  return c.e.shape(y) == kept ? y : c.e.reshape(y, kept);
}

void reduce_sum_vjp(VjpCall& c) { c.gradients[0] = c.e.broadcast(with_axes(c, c.adjoint()), c.shape(0)); }

void reduce_extreme_vjp(VjpCall& c) {
  const Value hit = c.e.op(Op::eq, c.in(0), with_axes(c, c.out()));
  const Value count = c.e.reduce(Op::reduce_sum, hit, attribute(c, "axes"), true);
  c.gradients[0] = c.e.mul(hit, c.e.div(with_axes(c, c.adjoint()), count));
}

void cumsum_vjp(VjpCall& c) {
  Attributes attributes = c.node.attributes;
  attributes.set("reverse", std::int64_t{attributes.integer("reverse") == 0});
  c.gradients[0] = c.e.graph.emit(Op::cumsum, {c.adjoint()}, std::move(attributes));
}

// ---- contraction ----------------------------------------------------------------------------------------------------

struct DotSide {
  Axes batch, contract, free;
};

DotSide dot_side(const VjpCall& c, const char* batch, const char* contract, int rank) {
  DotSide side{attribute(c, batch), attribute(c, contract), {}};
  const auto in = [](const Axes& list, std::int64_t axis) { return std::ranges::find(list, axis) != list.end(); };
  for (int axis = 0; axis < rank; ++axis) {
    if (!in(side.batch, axis) && !in(side.contract, axis)) side.free.push_back(axis);
  }
  return side;
}

// The gradient of one side: g [batch, own free, other free] (free_start tells where the other's free axes stand) times
// the other side over the other's free axes gives [batch, own free, contracted]; then axes go where the side has them.
Value dot_gradient(const VjpCall& c, const DotSide& own, const DotSide& other, Value other_value,
                   std::size_t other_free_start) {
  const auto batches = static_cast<int>(own.batch.size());
  Axes over(other.free.size());
  for (std::size_t i = 0; i < over.size(); ++i) over[i] = static_cast<std::int64_t>(other_free_start + i);
  const Value product = c.e.dot(c.adjoint(), other_value, first_axes(batches), other.batch, over, other.free);
  Axes place(own.batch.size() + own.free.size() + own.contract.size());  // place[axis of own] = axis of product
  std::int64_t at = 0;
  for (const std::int64_t axis : own.batch) place[static_cast<std::size_t>(axis)] = at++;
  for (const std::int64_t axis : own.free) place[static_cast<std::size_t>(axis)] = at++;
  Axes order(other.contract.size());  // the product has the other's contracted axes in rising order
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(i);
  std::ranges::sort(order, {}, [&](std::int64_t i) { return other.contract[static_cast<std::size_t>(i)]; });
  for (const std::int64_t i : order) place[static_cast<std::size_t>(own.contract[static_cast<std::size_t>(i)])] = at++;
  return std::ranges::is_sorted(place) ? product : c.e.transpose(product, std::move(place));
}

void dot_vjp(VjpCall& c) {
  const DotSide a = dot_side(c, "batch_a", "contract_a", c.shape(0).rank());
  const DotSide b = dot_side(c, "batch_b", "contract_b", c.shape(1).rank());
  if (c.wanted[0]) c.gradients[0] = dot_gradient(c, a, b, c.in(1), a.batch.size() + a.free.size());
  if (c.wanted[1]) c.gradients[1] = dot_gradient(c, b, a, c.in(0), a.batch.size());
}

// ---- index ----------------------------------------------------------------------------------------------------------

void gather_vjp(VjpCall& c) {
  c.gradients[0] = c.e.graph.emit(Op::scatter_add, {c.e.filled(c.shape(0), 0), c.in(1), c.adjoint()});
}

void scatter_add_vjp(VjpCall& c) {
  if (c.wanted[0]) c.gradients[0] = c.adjoint();
  if (c.wanted[2]) c.gradients[2] = c.e.graph.emit(Op::gather, {c.adjoint(), c.in(1)});
}

void pick_vjp(VjpCall& c) {
  const std::int64_t size = c.shape(0)[c.shape(0).rank() - 1];
  c.gradients[0] = c.e.graph.emit(Op::place, {c.adjoint(), c.in(1)}, Attributes().set("size", size));
}

void place_vjp(VjpCall& c) { c.gradients[0] = c.e.graph.emit(Op::pick, {c.adjoint(), c.in(1)}); }

Vjp tensor_function(Op op) {
  switch (op) {
    case Op::reduce_sum: return reduce_sum_vjp;
    case Op::reduce_max:
    case Op::reduce_min: return reduce_extreme_vjp;
    case Op::cumsum: return cumsum_vjp;
    case Op::dot: return dot_vjp;
    case Op::gather: return gather_vjp;
    case Op::scatter_add: return scatter_add_vjp;
    case Op::pick: return pick_vjp;
    case Op::place: return place_vjp;
    default: return nullptr;
  }
}

}  // namespace

VjpRow tensor_vjp(Op op) {
  switch (op) {
    case Op::constant:
    case Op::iota:
    case Op::random_uniform:
    case Op::random_normal: return kZeroGradient;
    default: break;
  }
  const Vjp function = tensor_function(op);
  return function != nullptr ? VjpRow{VjpRow::Kind::function, function} : VjpRow{};
}

}  // namespace caddie::graph
