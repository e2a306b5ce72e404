#include "core/graph/identities.hpp"

#include <algorithm>

#include "core/graph/constants.hpp"
#include "core/graph/emitter.hpp"

namespace caddie::graph {
namespace {

using List = std::span<const std::int64_t>;

struct Question {
  const Graph& graph;
  const Expression& expression;
  const Shape& shape;

  [[nodiscard]] Value in(std::size_t i) const { return expression.inputs[i]; }
  [[nodiscard]] List list(const char* key) const { return expression.attributes.integers(key); }
  [[nodiscard]] const Node& maker(std::size_t i) const { return graph.node_of(in(i)); }
  [[nodiscard]] bool fits(Value value) const { return graph.shape(value) == shape; }
  [[nodiscard]] bool is(std::size_t i, double number) const { return uniform_constant(graph, in(i)) == number; }
};

Simpler same(const Question& q, Value value) {
  return q.fits(value) ? Simpler{Simpler::Kind::value, value, {}} : Simpler{};
}

Simpler becomes(Op op, std::vector<Value> inputs, Attributes attributes = {}) {
  return {Simpler::Kind::expression, 0, {op, std::move(inputs), std::move(attributes)}};
}

Simpler commuting_neutral(const Question& q, double neutral) {
  if (q.is(1, neutral)) return same(q, q.in(0));
  return q.is(0, neutral) ? same(q, q.in(1)) : Simpler{};
}

Simpler power(const Question& q) {
  if (q.is(1, 1)) return same(q, q.in(0));
  return q.is(1, 2) && q.fits(q.in(0)) ? becomes(Op::mul, {q.in(0), q.in(0)}) : Simpler{};
}

Simpler arithmetic(const Question& q) {
  switch (q.expression.op) {
    case Op::add: return commuting_neutral(q, 0);
    case Op::mul: return commuting_neutral(q, 1);
    case Op::sub: return q.is(1, 0) ? same(q, q.in(0)) : Simpler{};
    case Op::div: return q.is(1, 1) ? same(q, q.in(0)) : Simpler{};
    case Op::pow: return power(q);
    case Op::neg: return q.maker(0).op == Op::neg ? same(q, q.maker(0).inputs[0]) : Simpler{};
    case Op::stop_gradient: return q.maker(0).op == Op::stop_gradient ? same(q, q.in(0)) : Simpler{};
    case Op::cast:
      return q.expression.attributes.integer("dtype") == static_cast<std::int64_t>(q.graph.dtype(q.in(0)))
                 ? same(q, q.in(0))
                 : Simpler{};
    case Op::where:
      if (const auto mask = uniform_constant(q.graph, q.in(0))) return same(q, *mask != 0 ? q.in(1) : q.in(2));
      return q.in(1) == q.in(2) ? same(q, q.in(1)) : Simpler{};
    default: return {};
  }
}

// A stretched operand is not needed where the other operand already has the shape of the result.
Simpler without_stretching(const Question& q) {
  const Op op = q.expression.op;
  const auto code = static_cast<std::uint32_t>(op);
  const bool binary = code >= static_cast<std::uint32_t>(Op::add) && code <= static_cast<std::uint32_t>(Op::int_mod);
  for (std::size_t i = 0; binary && i < 2; ++i) {
    if (q.maker(i).op != Op::broadcast || !q.fits(q.in(1 - i))) continue;
    std::vector<Value> inputs = q.expression.inputs;
    inputs[i] = q.maker(i).inputs[0];
    return becomes(op, std::move(inputs));
  }
  return {};
}

bool all_zero(List list) {
  return std::ranges::all_of(list, [](std::int64_t number) { return number == 0; });
}

Simpler transposed(const Question& q) {
  const List axes = q.list("axes");
  if (std::ranges::is_sorted(axes)) return same(q, q.in(0));
  if (q.maker(0).op != Op::transpose) return {};
  const List first = q.maker(0).attributes.integers("axes");
  Axes both;
  for (const std::int64_t axis : axes) both.push_back(first[static_cast<std::size_t>(axis)]);
  return becomes(Op::transpose, {q.maker(0).inputs[0]}, Attributes().set("axes", std::move(both)));
}

Simpler sliced(const Question& q) {
  if (q.fits(q.in(0))) return same(q, q.in(0));
  if (q.maker(0).op != Op::slice) return {};
  const List first = q.maker(0).attributes.integers("starts");
  Axes starts(q.list("starts").begin(), q.list("starts").end());
  for (std::size_t i = 0; i < starts.size(); ++i) starts[i] += first[i];
  Attributes attributes = q.expression.attributes;
  attributes.set("starts", std::move(starts));
  return becomes(Op::slice, {q.maker(0).inputs[0]}, std::move(attributes));
}

// Reshape or broadcast: only the last one counts.
Simpler reshaped(const Question& q) {
  if (q.fits(q.in(0))) return same(q, q.in(0));
  if (q.maker(0).op != q.expression.op) return {};
  return becomes(q.expression.op, {q.maker(0).inputs[0]}, q.expression.attributes);
}

Simpler reduced(const Question& q) {
  const Shape& from = q.graph.shape(q.in(0));
  const bool trivial =
      std::ranges::all_of(q.list("axes"), [&](std::int64_t axis) { return from[static_cast<int>(axis)] == 1; });
  return trivial ? becomes(Op::reshape, {q.in(0)}, Attributes().set("shape", to_axes(q.shape))) : Simpler{};
}

Simpler reversed(const Question& q) {
  if (q.list("axes").empty()) return same(q, q.in(0));
  const bool twice = q.maker(0).op == Op::reverse && q.maker(0).attributes == q.expression.attributes;
  return twice ? same(q, q.maker(0).inputs[0]) : Simpler{};
}

Simpler moved(const Question& q) {
  switch (q.expression.op) {
    case Op::transpose: return transposed(q);
    case Op::slice: return sliced(q);
    case Op::reshape:
    case Op::broadcast: return reshaped(q);
    case Op::reverse: return reversed(q);
    case Op::pad: return all_zero(q.list("low")) && all_zero(q.list("high")) ? same(q, q.in(0)) : Simpler{};
    case Op::concat: return q.expression.inputs.size() == 1 ? same(q, q.in(0)) : Simpler{};
    case Op::reduce_sum:
    case Op::reduce_max:
    case Op::reduce_min: return reduced(q);
    default: return {};
  }
}

}  // namespace

Simpler simpler(const Graph& graph, const Expression& expression, const Shape& shape) {
  if (expression.inputs.empty()) return {};
  const Question question{graph, expression, shape};
  for (const auto family : {arithmetic, without_stretching, moved}) {
    if (Simpler found = family(question); found.kind != Simpler::Kind::none) return found;
  }
  return {};
}

}  // namespace caddie::graph
