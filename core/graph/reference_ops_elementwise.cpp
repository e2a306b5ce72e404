// Elementwise primitives of the reference executor.
#include <bit>
#include <cmath>
#include <limits>

#include "core/graph/reference_ops.hpp"
#include "core/graph/strides.hpp"

namespace caddie::graph {
namespace {

using I32 = std::int32_t;

// ---- one operand ----------------------------------------------------------------------------------------------------

template <class Element, auto function>
void map_one(const KernelCall& call) {
  const auto x = call.in<Element>(0);
  const auto y = call.out<Element>();
  for (std::size_t i = 0; i < y.size(); ++i) y[i] = function(x[i]);
}

template <class Real, auto on_reals, auto on_ints>
void map_either(const KernelCall& call) {
  if (call.dtype(0) == DType::f32) {
    map_one<Real, on_reals>(call);
  } else {
    map_one<I32, on_ints>(call);
  }
}

template <class Real>
Real round_to_bf16(Real x) {
  if (!std::isfinite(x)) return x;
  const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(x));
  const std::uint32_t half = 0x7FFFU + ((bits >> 16) & 1U);  // ties to even
  return static_cast<Real>(std::bit_cast<float>((bits + half) & 0xFFFF0000U));
}

// Towards zero; beyond 32 bits the nearest end, not a number gives 0.
template <class Real>
I32 to_i32(Real x) {
  constexpr double low = std::numeric_limits<I32>::min();
  constexpr double high = std::numeric_limits<I32>::max();
  const auto value = static_cast<double>(x);
  if (std::isnan(value)) return 0;
  if (value <= low) return std::numeric_limits<I32>::min();
  if (value >= high) return std::numeric_limits<I32>::max();
  return static_cast<I32>(value);
}

template <class From, class To>
void convert(const KernelCall& call) {
  const auto x = call.in<From>(0);
  const auto y = call.out<To>();
  for (std::size_t i = 0; i < y.size(); ++i) {
    if constexpr (std::is_same_v<To, I32> && !std::is_same_v<From, I32>) {
      y[i] = to_i32(x[i]);
    } else {
      y[i] = static_cast<To>(x[i]);
    }
  }
}

template <class Real>
void cast_kernel(const KernelCall& call) {
  const bool from_real = call.dtype(0) == DType::f32;
  const bool to_real = call.out_dtype() == DType::f32;
  if (from_real && to_real) return convert<Real, Real>(call);
  if (from_real) return convert<Real, I32>(call);
  return to_real ? convert<I32, Real>(call) : convert<I32, I32>(call);
}

template <class Real>
Kernel unary_kernel(Op op) {
  switch (op) {
    case Op::neg:
      return map_either<Real, [](Real x) { return -x; }, [](I32 x) { return wrapped(-std::int64_t{x}); }>;
    case Op::abs:
      return map_either<Real, [](Real x) { return std::abs(x); },
                        [](I32 x) { return wrapped(std::abs(std::int64_t{x})); }>;
    case Op::sign:
      return map_either<Real, [](Real x) { return static_cast<Real>((x > 0) - (x < 0)); },
                        [](I32 x) { return (x > 0) - (x < 0); }>;
    case Op::stop_gradient: return map_either<Real, [](Real x) { return x; }, [](I32 x) { return x; }>;
    case Op::exp: return map_one<Real, [](Real x) { return std::exp(x); }>;
    case Op::log: return map_one<Real, [](Real x) { return std::log(x); }>;
    case Op::sin: return map_one<Real, [](Real x) { return std::sin(x); }>;
    case Op::cos: return map_one<Real, [](Real x) { return std::cos(x); }>;
    case Op::tanh: return map_one<Real, [](Real x) { return std::tanh(x); }>;
    case Op::sqrt: return map_one<Real, [](Real x) { return std::sqrt(x); }>;
    case Op::rsqrt: return map_one<Real, [](Real x) { return 1 / std::sqrt(x); }>;
    case Op::recip: return map_one<Real, [](Real x) { return 1 / x; }>;
    case Op::floor: return map_one<Real, [](Real x) { return std::floor(x); }>;
    case Op::round: return map_one<Real, [](Real x) { return std::nearbyint(x); }>;
    case Op::sigmoid: return map_one<Real, [](Real x) { return 1 / (1 + std::exp(-x)); }>;
    case Op::round_bf16: return map_one<Real, round_to_bf16<Real>>;
    case Op::cast: return cast_kernel<Real>;
    default: return nullptr;
  }
}

// ---- two operands ---------------------------------------------------------------------------------------------------

template <class In, class Out, auto function>
void map_two(const KernelCall& call) {
  const auto a = call.in<In>(0);
  const auto b = call.in<In>(1);
  Out* y = call.out<Out>().data();
  const Shape& shape = call.out_shape();
  walk<2>(shape, {broadcast_strides(call.shape(0), shape), broadcast_strides(call.shape(1), shape)}, {0, 0},
          [&](const std::array<std::int64_t, 2>& at) {
            *y++ = function(a[static_cast<std::size_t>(at[0])], b[static_cast<std::size_t>(at[1])]);
          });
}

template <class Real, auto on_reals, auto on_ints>
void map_two_either(const KernelCall& call) {
  if (call.dtype(0) == DType::f32) {
    map_two<Real, Real, on_reals>(call);
  } else {
    map_two<I32, I32, on_ints>(call);
  }
}

template <class Real, auto on_reals, auto on_ints>
void compare(const KernelCall& call) {
  if (call.dtype(0) == DType::f32) {
    map_two<Real, Real, [](Real a, Real b) { return on_reals(a, b) ? Real{1} : Real{0}; }>(call);
  } else {
    map_two<I32, Real, [](I32 a, I32 b) { return on_ints(a, b) ? Real{1} : Real{0}; }>(call);
  }
}

// Larger or smaller of both; not a number wins, so that it is never lost.
template <class Real>
Real larger(Real a, Real b) {
  return b > a || std::isnan(b) ? b : a;
}
template <class Real>
Real smaller(Real a, Real b) {
  return b < a || std::isnan(b) ? b : a;
}

I32 floor_div(I32 a, I32 b) {
  if (b == 0) return 0;
  const std::int64_t quotient = std::int64_t{a} / b;
  const bool below = (std::int64_t{a} % b != 0) && ((a < 0) != (b < 0));
  return wrapped(quotient - (below ? 1 : 0));
}

I32 floor_mod(I32 a, I32 b) {
  if (b == 0) return 0;
  const std::int64_t rest = std::int64_t{a} % b;
  return static_cast<I32>(rest != 0 && ((rest < 0) != (b < 0)) ? rest + b : rest);
}

template <class Real>
Kernel binary_kernel(Op op) {
  switch (op) {
    case Op::add:
      return map_two_either<Real, [](Real a, Real b) { return a + b; },
                            [](I32 a, I32 b) { return wrapped(std::int64_t{a} + b); }>;
    case Op::sub:
      return map_two_either<Real, [](Real a, Real b) { return a - b; },
                            [](I32 a, I32 b) { return wrapped(std::int64_t{a} - b); }>;
    case Op::mul:
      return map_two_either<Real, [](Real a, Real b) { return a * b; },
                            [](I32 a, I32 b) { return wrapped(std::int64_t{a} * b); }>;
    case Op::max: return map_two_either<Real, larger<Real>, [](I32 a, I32 b) { return a < b ? b : a; }>;
    case Op::min: return map_two_either<Real, smaller<Real>, [](I32 a, I32 b) { return b < a ? b : a; }>;
    case Op::div: return map_two<Real, Real, [](Real a, Real b) { return a / b; }>;
    case Op::pow: return map_two<Real, Real, [](Real a, Real b) { return std::pow(a, b); }>;
    case Op::lt: return compare<Real, [](Real a, Real b) { return a < b; }, [](I32 a, I32 b) { return a < b; }>;
    case Op::le: return compare<Real, [](Real a, Real b) { return a <= b; }, [](I32 a, I32 b) { return a <= b; }>;
    case Op::eq: return compare<Real, [](Real a, Real b) { return a == b; }, [](I32 a, I32 b) { return a == b; }>;
    case Op::bit_and: return map_two<I32, I32, [](I32 a, I32 b) { return a & b; }>;
    case Op::bit_or: return map_two<I32, I32, [](I32 a, I32 b) { return a | b; }>;
    case Op::bit_xor: return map_two<I32, I32, [](I32 a, I32 b) { return a ^ b; }>;
    case Op::shift_left: return map_two<I32, I32, [](I32 a, I32 b) { return a << (b & 31); }>;
    case Op::shift_right: return map_two<I32, I32, [](I32 a, I32 b) { return (a >> (b & 31)); }>;
    case Op::int_div: return map_two<I32, I32, floor_div>;
    case Op::int_mod: return map_two<I32, I32, floor_mod>;
    default: return nullptr;
  }
}

// ---- three operands -------------------------------------------------------------------------------------------------

template <class Mask, class Element>
void choose(const KernelCall& call) {
  const auto mask = call.in<Mask>(0);
  const auto a = call.in<Element>(1);
  const auto b = call.in<Element>(2);
  Element* y = call.out<Element>().data();
  const Shape& shape = call.out_shape();
  walk<3>(shape,
          {broadcast_strides(call.shape(0), shape), broadcast_strides(call.shape(1), shape),
           broadcast_strides(call.shape(2), shape)},
          {0, 0, 0}, [&](const std::array<std::int64_t, 3>& at) {
            const bool first = mask[static_cast<std::size_t>(at[0])] != 0;
            *y++ = first ? a[static_cast<std::size_t>(at[1])] : b[static_cast<std::size_t>(at[2])];
          });
}

template <class Real>
void where_kernel(const KernelCall& call) {
  const bool real_mask = call.dtype(0) == DType::f32;
  if (call.out_dtype() == DType::f32) return real_mask ? choose<Real, Real>(call) : choose<I32, Real>(call);
  return real_mask ? choose<Real, I32>(call) : choose<I32, I32>(call);
}

}  // namespace

template <class Real>
Kernel elementwise_kernel(Op op) {
  if (op == Op::where) return where_kernel<Real>;
  const Kernel unary = unary_kernel<Real>(op);
  return unary != nullptr ? unary : binary_kernel<Real>(op);
}

template Kernel elementwise_kernel<float>(Op);
template Kernel elementwise_kernel<double>(Op);

}  // namespace caddie::graph
