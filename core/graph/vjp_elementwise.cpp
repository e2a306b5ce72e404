// Derivatives of elementwise operations; g is the gradient of y.
#include "core/graph/vjp.hpp"

namespace caddie::graph {
namespace {

Value g(const VjpCall& c) { return c.adjoint(); }
Value square(const Emitter& e, Value x) { return e.mul(x, x); }

Vjp unary_function(Op op) {
  switch (op) {
    case Op::neg: return [](VjpCall& c) { c.give(0, c.e.neg(g(c))); };
    case Op::abs: return [](VjpCall& c) { c.give(0, c.e.mul(g(c), c.e.op(Op::sign, c.in(0)))); };
    case Op::exp: return [](VjpCall& c) { c.give(0, c.e.mul(g(c), c.out())); };
    case Op::log: return [](VjpCall& c) { c.give(0, c.e.div(g(c), c.in(0))); };
    case Op::sin: return [](VjpCall& c) { c.give(0, c.e.mul(g(c), c.e.op(Op::cos, c.in(0)))); };
    case Op::cos: return [](VjpCall& c) { c.give(0, c.e.neg(c.e.mul(g(c), c.e.op(Op::sin, c.in(0))))); };
    case Op::tanh: return [](VjpCall& c) { c.give(0, c.e.mul(g(c), c.e.sub(c.e.scalar(1), square(c.e, c.out())))); };
    case Op::sqrt: return [](VjpCall& c) { c.give(0, c.e.div(c.e.scale(g(c), 0.5), c.out())); };
    case Op::rsqrt:
      return [](VjpCall& c) { c.give(0, c.e.mul(c.e.scale(g(c), -0.5), c.e.mul(square(c.e, c.out()), c.out()))); };
    case Op::recip: return [](VjpCall& c) { c.give(0, c.e.neg(c.e.mul(g(c), square(c.e, c.out())))); };
    case Op::sigmoid:
      return [](VjpCall& c) { c.give(0, c.e.mul(g(c), c.e.mul(c.out(), c.e.sub(c.e.scalar(1), c.out())))); };
    case Op::cast:
    case Op::round_bf16: return [](VjpCall& c) { c.give(0, g(c)); };
    default: return nullptr;
  }
}

// The whole gradient where the mask is 1, to a; where it is 0, to b.
void split(VjpCall& c, Value mask, std::size_t a, std::size_t b) {
  const Value zero = c.e.scalar(0);
  if (c.wanted[a]) c.give(a, c.e.where(mask, g(c), zero));
  if (c.wanted[b]) c.give(b, c.e.where(mask, zero, g(c)));
}

void mul_vjp(VjpCall& c) {
  if (c.wanted[0]) c.give(0, c.e.mul(g(c), c.in(1)));
  if (c.wanted[1]) c.give(1, c.e.mul(g(c), c.in(0)));
}

void div_vjp(VjpCall& c) {
  const Value share = c.e.div(g(c), c.in(1));
  if (c.wanted[0]) c.give(0, share);
  if (c.wanted[1]) c.give(1, c.e.neg(c.e.mul(share, c.out())));
}

// da = g b a^(b-1), db = g a^b log a.
void pow_vjp(VjpCall& c) {
  if (c.wanted[0]) {
    const Value slope = c.e.mul(c.in(1), c.e.op(Op::pow, c.in(0), c.e.sub(c.in(1), c.e.scalar(1))));
    c.give(0, c.e.mul(g(c), slope));
  }
  if (c.wanted[1]) c.give(1, c.e.mul(g(c), c.e.mul(c.out(), c.e.op(Op::log, c.in(0)))));
}

Vjp binary_function(Op op) {
  switch (op) {
    case Op::add:
      return [](VjpCall& c) {
        if (c.wanted[0]) c.give(0, g(c));
        if (c.wanted[1]) c.give(1, g(c));
      };
    case Op::sub:
      return [](VjpCall& c) {
        if (c.wanted[0]) c.give(0, g(c));
        if (c.wanted[1]) c.give(1, c.e.neg(g(c)));
      };
    case Op::mul: return mul_vjp;
    case Op::div: return div_vjp;
    case Op::max: return [](VjpCall& c) { split(c, c.e.op(Op::le, c.in(1), c.in(0)), 0, 1); };
    case Op::min: return [](VjpCall& c) { split(c, c.e.op(Op::le, c.in(0), c.in(1)), 0, 1); };
    case Op::pow: return pow_vjp;
    case Op::where: return [](VjpCall& c) { split(c, c.in(0), 1, 2); };
    default: return nullptr;
  }
}

}  // namespace

VjpRow elementwise_vjp(Op op) {
  switch (op) {
    case Op::sign:
    case Op::floor:
    case Op::round:
    case Op::stop_gradient:
    case Op::lt:
    case Op::le:
    case Op::eq:
    case Op::bit_and:
    case Op::bit_or:
    case Op::bit_xor:
    case Op::shift_left:
    case Op::shift_right:
    case Op::int_div:
    case Op::int_mod: return kZeroGradient;
    default: break;
  }
  Vjp function = unary_function(op);
  if (function == nullptr) function = binary_function(op);
  return function != nullptr ? VjpRow{VjpRow::Kind::function, function} : VjpRow{};
}

}  // namespace caddie::graph
