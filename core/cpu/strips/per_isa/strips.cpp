// Vector loops of the strip functions.
#include "core/cpu/kernels/per_isa/simd_math.hpp"
#include "core/cpu/kernels/per_isa/strip.hpp"
#include "core/cpu/strips/tables.hpp"

namespace caddie::cpu::CADDIE_ISA {
namespace {

using U [[gnu::vector_size(kLanes * 4)]] = std::uint32_t;

CADDIE_INLINE U as_bits(F v) { return reinterpret_cast<U>(v); }
CADDIE_INLINE F from_bits(U v) { return reinterpret_cast<F>(v); }
CADDIE_INLINE U splat_bits(std::uint32_t x) { return x + U{}; }
CADDIE_INLINE F from_mask(I mask) { return as_float(mask & splat_int(0x3f800000)); }

// By bits, so that an i32 is not changed.
CADDIE_INLINE F splat_exact(const float* x) {
  std::int32_t bits;
  __builtin_memcpy(&bits, x, sizeof bits);
  return as_float(splat_int(bits));
}

CADDIE_INLINE F sign_bit(F v) { return as_float(as_int(v) & splat_int(INT32_MIN)); }
CADDIE_INLINE F with_sign_of(F v, F sign) { return as_float(as_int(v) | as_int(sign_bit(sign))); }

// ---- bodies ---------------------------------------------------------------------------------------------------------

struct Copy { CADDIE_INLINE static F of(F a) { return a; } };
struct Neg { CADDIE_INLINE static F of(F a) { return -a; } };
struct Abs { CADDIE_INLINE static F of(F a) { return magnitude(a); } };
struct Sign { CADDIE_INLINE static F of(F a) { return from_mask(a > F{}) - from_mask(a < F{}); } };
struct Sqrt { CADDIE_INLINE static F of(F a) { return square_root(a); } };
struct Rsqrt { CADDIE_INLINE static F of(F a) { return splat(1.0F) / square_root(a); } };
struct Recip { CADDIE_INLINE static F of(F a) { return splat(1.0F) / a; } };

struct Exp { CADDIE_INLINE static F of(F a) { return exponential(a); } };
struct Log { CADDIE_INLINE static F of(F a) { return logarithm(a); } };
struct Tanh { CADDIE_INLINE static F of(F a) { return hyperbolic_tangent(a); } };
struct Sigmoid { CADDIE_INLINE static F of(F a) { return logistic(a); } };

// Beyond 2^23 every value is whole already.
CADDIE_INLINE I has_fraction(F a) { return magnitude(a) < splat(8388608.0F); }

struct Floor {
  CADDIE_INLINE static F of(F a) {
    const I inside = has_fraction(a);
    const F cut = to_float(to_int(select(inside, a, F{})));
    const F down = select(cut > a, cut - splat(1.0F), cut);
    return select(inside, with_sign_of(down, a), a);
  }
};

// Adding 2^23 with the sign of the value rounds to even.
struct Round {
  CADDIE_INLINE static F of(F a) {
    const F shift = with_sign_of(splat(8388608.0F), a);
    const F rounded = (a + shift) - shift;
    return select(has_fraction(a), with_sign_of(rounded, a), a);
  }
};

struct RoundBf16 {
  CADDIE_INLINE static F of(F a) {
    const U bits = as_bits(a);
    const U half = splat_bits(0x7FFF) + ((bits >> 16) & splat_bits(1));
    const F rounded = from_bits((bits + half) & splat_bits(0xFFFF0000U));
    const I finite = (bits & splat_bits(0x7F800000U)) != splat_bits(0x7F800000U);
    return select(finite, rounded, a);
  }
};

// Towards zero; beyond 32 bits the nearest end, not a number gives 0.
struct ToI32 {
  CADDIE_INLINE static F of(F a) {
    const I inside = magnitude(a) < splat(2147483648.0F);
    const I cut = to_int(select(inside, a, F{}));
    const I high = (a >= splat(2147483648.0F)) & splat_int(INT32_MAX);
    const I low = (a <= splat(-2147483648.0F)) & splat_int(INT32_MIN);
    return as_float(cut | high | low);
  }
};

struct ToF32 { CADDIE_INLINE static F of(F a) { return to_float(as_int(a)); } };
struct NegI32 { CADDIE_INLINE static F of(F a) { return from_bits(-as_bits(a)); } };
struct AbsI32 {
  CADDIE_INLINE static F of(F a) { return as_float(as_int(a) < I{} ? as_int(NegI32::of(a)) : as_int(a)); }
};
struct SignI32 { CADDIE_INLINE static F of(F a) { return as_float((as_int(a) < I{}) - (as_int(a) > I{})); } };

struct Add { CADDIE_INLINE static F of(F a, F b) { return a + b; } };
struct Sub { CADDIE_INLINE static F of(F a, F b) { return a - b; } };
struct Mul { CADDIE_INLINE static F of(F a, F b) { return a * b; } };
struct Div { CADDIE_INLINE static F of(F a, F b) { return a / b; } };
// Not a number wins.
struct Max { CADDIE_INLINE static F of(F a, F b) { return select((b > a) | (b != b), b, a); } };
struct Min { CADDIE_INLINE static F of(F a, F b) { return select((b < a) | (b != b), b, a); } };
struct Lt { CADDIE_INLINE static F of(F a, F b) { return from_mask(a < b); } };
struct Le { CADDIE_INLINE static F of(F a, F b) { return from_mask(a <= b); } };
struct Eq { CADDIE_INLINE static F of(F a, F b) { return from_mask(a == b); } };

struct AddI32 { CADDIE_INLINE static F of(F a, F b) { return from_bits(as_bits(a) + as_bits(b)); } };
struct SubI32 { CADDIE_INLINE static F of(F a, F b) { return from_bits(as_bits(a) - as_bits(b)); } };
struct MulI32 { CADDIE_INLINE static F of(F a, F b) { return from_bits(as_bits(a) * as_bits(b)); } };
struct MaxI32 { CADDIE_INLINE static F of(F a, F b) { return select(as_int(b) > as_int(a), b, a); } };
struct MinI32 { CADDIE_INLINE static F of(F a, F b) { return select(as_int(b) < as_int(a), b, a); } };
struct LtI32 { CADDIE_INLINE static F of(F a, F b) { return from_mask(as_int(a) < as_int(b)); } };
struct LeI32 { CADDIE_INLINE static F of(F a, F b) { return from_mask(as_int(a) <= as_int(b)); } };
struct EqI32 { CADDIE_INLINE static F of(F a, F b) { return from_mask(as_int(a) == as_int(b)); } };
struct And { CADDIE_INLINE static F of(F a, F b) { return from_bits(as_bits(a) & as_bits(b)); } };
struct Or { CADDIE_INLINE static F of(F a, F b) { return from_bits(as_bits(a) | as_bits(b)); } };
struct Xor { CADDIE_INLINE static F of(F a, F b) { return from_bits(as_bits(a) ^ as_bits(b)); } };
struct ShiftLeft {
  CADDIE_INLINE static F of(F a, F b) { return from_bits(as_bits(a) << (as_bits(b) & splat_bits(31))); }
};
struct ShiftRight {
  CADDIE_INLINE static F of(F a, F b) { return as_float(as_int(a) >> (as_int(b) & splat_int(31))); }
};

struct MulAdd { CADDIE_INLINE static F of(F a, F b, F c) { return fma(a, b, c); } };
struct MulSub { CADDIE_INLINE static F of(F a, F b, F c) { return fma(a, b, -c); } };
struct SubMul { CADDIE_INLINE static F of(F a, F b, F c) { return fma(-a, b, c); } };
struct Where { CADDIE_INLINE static F of(F mask, F a, F b) { return select(mask != F{}, a, b); } };
struct WhereI32 { CADDIE_INLINE static F of(F mask, F a, F b) { return select(as_int(mask) != I{}, a, b); } };

// ---- loops ----------------------------------------------------------------------------------------------------------

template <bool kScalar>
struct Operand {
  const float* strip;
  F all;

  CADDIE_INLINE explicit Operand(const float* x) : strip(x), all(kScalar ? splat_exact(x) : F{}) {}
  CADDIE_INLINE F at(std::int64_t i) const { return kScalar ? all : load(strip + i); }
  CADDIE_INLINE F first(std::int64_t i, std::int64_t n) const { return kScalar ? all : load_first(strip + i, n); }
};

template <class Body, bool... kScalars>
CADDIE_INLINE void loop(float* out, std::int64_t n, Operand<kScalars>... operands) {
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(out + i, Body::of(operands.at(i)...));
  if (i < n) store_first(out + i, Body::of(operands.first(i, n - i)...), n - i);
}

template <class Body>
void one(float* out, const float* a, const float*, const float*, std::int64_t n, unsigned scalars) {
  if ((scalars & 1U) != 0) return loop<Body>(out, n, Operand<true>(a));
  loop<Body>(out, n, Operand<false>(a));
}

// Angles too large for the vector function go to the C library, strip by strip.
template <bool kSine>
void turn(float* out, const float* a, const float* b, const float* c, std::int64_t n, unsigned scalars) {
  const bool is_scalar = (scalars & 1U) != 0;
  const std::int64_t count = is_scalar ? 1 : n;
  I outside{};
  for (std::int64_t i = 0; i < count; i += kLanes) {
    const F angle = i + kLanes <= count ? load(a + i) : load_first(a + i, count - i);
    outside = outside | (magnitude(angle) > splat(kLargestAngle));
  }
  if (any(outside)) return plain_strip_function(kSine ? StripOp::sin : StripOp::cos)(out, a, b, c, n, scalars);
  for (std::int64_t i = 0; i < n; i += kLanes) {
    const std::int64_t left = least(n - i, kLanes);
    const F angle = is_scalar ? splat_exact(a) : left == kLanes ? load(a + i) : load_first(a + i, left);
    F sine;
    F cosine;
    sine_cosine(angle, sine, cosine);
    if (left == kLanes) {
      store(out + i, kSine ? sine : cosine);
    } else {
      store_first(out + i, kSine ? sine : cosine, left);
    }
  }
}

template <class Body>
void two(float* out, const float* a, const float* b, const float*, std::int64_t n, unsigned scalars) {
  switch (scalars & 3U) {
    case 0: return loop<Body>(out, n, Operand<false>(a), Operand<false>(b));
    case 1: return loop<Body>(out, n, Operand<true>(a), Operand<false>(b));
    case 2: return loop<Body>(out, n, Operand<false>(a), Operand<true>(b));
    default: return loop<Body>(out, n, Operand<true>(a), Operand<true>(b));
  }
}

template <class Body>
void three(float* out, const float* a, const float* b, const float* c, std::int64_t n, unsigned scalars) {
  switch (scalars & 7U) {
    case 0: return loop<Body>(out, n, Operand<false>(a), Operand<false>(b), Operand<false>(c));
    case 1: return loop<Body>(out, n, Operand<true>(a), Operand<false>(b), Operand<false>(c));
    case 2: return loop<Body>(out, n, Operand<false>(a), Operand<true>(b), Operand<false>(c));
    case 3: return loop<Body>(out, n, Operand<true>(a), Operand<true>(b), Operand<false>(c));
    case 4: return loop<Body>(out, n, Operand<false>(a), Operand<false>(b), Operand<true>(c));
    case 5: return loop<Body>(out, n, Operand<true>(a), Operand<false>(b), Operand<true>(c));
    case 6: return loop<Body>(out, n, Operand<false>(a), Operand<true>(b), Operand<true>(c));
    default: return loop<Body>(out, n, Operand<true>(a), Operand<true>(b), Operand<true>(c));
  }
}

// ---- reductions -----------------------------------------------------------------------------------------------------

template <class Body>
float combine(float a, float b) {
  F x{};
  F y{};
  x[0] = a;
  y[0] = b;
  return Body::of(x, y)[0];
}

template <class Body>
void accumulate(float* total, const float* x, std::int64_t n) {
  loop<Body>(total, n, Operand<false>(total), Operand<false>(x));
}

// Four running vectors, then their tree, then the tree of lanes, then what is left in order.
template <class Body>
float reduce(const float* x, std::int64_t n) {
  if (n < kLanes) {
    float total = x[0];
    for (std::int64_t i = 1; i < n; ++i) total = combine<Body>(total, x[i]);
    return total;
  }
  F total = load(x);
  std::int64_t i = kLanes;
  if (n >= 4 * kLanes) {
    F second = load(x + kLanes);
    F third = load(x + 2 * kLanes);
    F fourth = load(x + 3 * kLanes);
    for (i = 4 * kLanes; i + 4 * kLanes <= n; i += 4 * kLanes) {
      total = Body::of(total, load(x + i));
      second = Body::of(second, load(x + i + kLanes));
      third = Body::of(third, load(x + i + 2 * kLanes));
      fourth = Body::of(fourth, load(x + i + 3 * kLanes));
    }
    total = Body::of(Body::of(total, second), Body::of(third, fourth));
  }
  for (; i + kLanes <= n; i += kLanes) total = Body::of(total, load(x + i));
  float lanes[kLanes];
  store(lanes, total);
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int lane = 0; lane < half; ++lane) lanes[lane] = combine<Body>(lanes[lane], lanes[lane + half]);
  }
  for (; i < n; ++i) lanes[0] = combine<Body>(lanes[0], x[i]);
  return lanes[0];
}

// kLanes rows at a time: their vectors are transposed for the tree of lanes.
template <class Body>
void reduce_rows(float* total, const float* x, std::int64_t rows, std::int64_t n) {
  std::int64_t row = 0;
  if (n == kLanes || n == 2 * kLanes) {
    for (; row + kLanes <= rows; row += kLanes) {
      F lanes[kLanes];
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) {
        const float* from = x + (row + i) * n;
        lanes[i] = n == kLanes ? load(from) : Body::of(load(from), load(from + kLanes));
      }
      const F made = joined_lanes(lanes, [](F a, F b) { return Body::of(a, b); });
      store(total + row, Body::of(load(total + row), made));
    }
  }
  for (; row < rows; ++row) total[row] = combine<Body>(total[row], reduce<Body>(x + row * n, n));
}

// Totals of a few columns stay in registers.
template <class Body, int kVectors>
CADDIE_INLINE void accumulate_columns(float* total, const float* x, std::int64_t rows, std::int64_t n) {
  F sums[kVectors];
  for (int v = 0; v < kVectors; ++v) sums[v] = load(total + v * kLanes);
  for (std::int64_t row = 0; row < rows; ++row, x += n) {
    for (int v = 0; v < kVectors; ++v) sums[v] = Body::of(sums[v], load(x + v * kLanes));
  }
  for (int v = 0; v < kVectors; ++v) store(total + v * kLanes, sums[v]);
}

template <class Body>
void accumulate_rows(float* total, const float* x, std::int64_t planes, std::int64_t rows, std::int64_t n) {
  for (; planes > 0; --planes, total += n, x += rows * n) {
    std::int64_t j = 0;
    for (; j + 4 * kLanes <= n; j += 4 * kLanes) accumulate_columns<Body, 4>(total + j, x + j, rows, n);
    if (j + 2 * kLanes <= n) {
      accumulate_columns<Body, 2>(total + j, x + j, rows, n);
      j += 2 * kLanes;
    }
    if (j == n) continue;
    for (std::int64_t row = 0; row < rows; ++row) accumulate<Body>(total + j, x + row * n + j, n - j);
  }
}

template <class Body>
StripReduction reduction_of(std::uint32_t identity_bits) {
  float identity;
  __builtin_memcpy(&identity, &identity_bits, sizeof identity);
  return {reduce<Body>, combine<Body>, accumulate<Body>, identity, reduce_rows<Body>, accumulate_rows<Body>};
}

StripReduction reduction(Reduce reduce) {
  switch (reduce) {
    case Reduce::max: return reduction_of<Max>(0xFF800000U);
    case Reduce::min: return reduction_of<Min>(0x7F800000U);
    case Reduce::sum_i32: return reduction_of<AddI32>(0);
    case Reduce::max_i32: return reduction_of<MaxI32>(0x80000000U);
    case Reduce::min_i32: return reduction_of<MinI32>(0x7FFFFFFFU);
    default: return reduction_of<Add>(0);
  }
}

StripFunction function(StripOp op) {
  switch (op) {
    case StripOp::copy: return one<Copy>;
    case StripOp::neg: return one<Neg>;
    case StripOp::abs: return one<Abs>;
    case StripOp::sign: return one<Sign>;
    case StripOp::exp: return one<Exp>;
    case StripOp::log: return one<Log>;
    case StripOp::sin: return turn<true>;
    case StripOp::cos: return turn<false>;
    case StripOp::tanh: return one<Tanh>;
    case StripOp::sigmoid: return one<Sigmoid>;
    case StripOp::sqrt: return one<Sqrt>;
    case StripOp::rsqrt: return one<Rsqrt>;
    case StripOp::recip: return one<Recip>;
    case StripOp::floor: return one<Floor>;
    case StripOp::round: return one<Round>;
    case StripOp::round_bf16: return one<RoundBf16>;
    case StripOp::to_i32: return one<ToI32>;
    case StripOp::add: return two<Add>;
    case StripOp::sub: return two<Sub>;
    case StripOp::mul: return two<Mul>;
    case StripOp::div: return two<Div>;
    case StripOp::max: return two<Max>;
    case StripOp::min: return two<Min>;
    case StripOp::lt: return two<Lt>;
    case StripOp::le: return two<Le>;
    case StripOp::eq: return two<Eq>;
    case StripOp::where: return three<Where>;
    case StripOp::mul_add: return three<MulAdd>;
    case StripOp::mul_sub: return three<MulSub>;
    case StripOp::sub_mul: return three<SubMul>;
    case StripOp::neg_i32: return one<NegI32>;
    case StripOp::abs_i32: return one<AbsI32>;
    case StripOp::sign_i32: return one<SignI32>;
    case StripOp::to_f32: return one<ToF32>;
    case StripOp::add_i32: return two<AddI32>;
    case StripOp::sub_i32: return two<SubI32>;
    case StripOp::mul_i32: return two<MulI32>;
    case StripOp::max_i32: return two<MaxI32>;
    case StripOp::min_i32: return two<MinI32>;
    case StripOp::lt_i32: return two<LtI32>;
    case StripOp::le_i32: return two<LeI32>;
    case StripOp::eq_i32: return two<EqI32>;
    case StripOp::bit_and: return two<And>;
    case StripOp::bit_or: return two<Or>;
    case StripOp::bit_xor: return two<Xor>;
    case StripOp::shift_left: return two<ShiftLeft>;
    case StripOp::shift_right: return two<ShiftRight>;
    case StripOp::where_i32: return three<WhereI32>;
    default: return nullptr;
  }
}

template <class Number>
void read_block(float* out, const Number* x, const Block& block) {
  for (std::int64_t plane = 0; plane < block.planes; ++plane) {
    for (std::int64_t row = 0; row < block.rows; ++row, out += block.length) {
      const Number* from = x + plane * block.plane_stride + row * block.row_stride;
      for_strips(block.length, [&](std::int64_t i, std::int64_t n) { store_some(out + i, load_some(from + i, n), n); });
    }
  }
}

void repeat_elements(float* out, const float* x, std::int64_t stride, std::int64_t length, std::int64_t rows) {
  for (std::int64_t row = 0; row < rows; ++row, out += length, x += stride) {
    const F all = splat_exact(x);
    for_strips(length, [&](std::int64_t i, std::int64_t n) { store_some(out + i, all, n); });
  }
}

void narrow(std::uint16_t* out, const float* x, std::int64_t n) {
  for_strips(n, [&](std::int64_t i, std::int64_t count) { store_bf16(out + i, load_some(x + i, count), count); });
}

}  // namespace

extern const StripTable strip_table;
const StripTable strip_table{function, reduction,         read_block<std::uint16_t>,
                             narrow,   read_block<float>, repeat_elements};

}  // namespace caddie::cpu::CADDIE_ISA
