#include "core/cpu/kernels/per_isa/simd_math.hpp"
#include "core/cpu/kernels/per_isa/strip.hpp"
#include "core/cpu/kernels/tables.hpp"

namespace caddie::cpu::CADDIE_ISA {
namespace {

using std::int64_t;

template <typename T>
CADDIE_INLINE float sum_of_row(const T* x, int64_t count) {
  return sum_of(count, [=](int64_t i, int64_t n) { return load_some(x + i, n); });
}

void scale(const float* x, float factor, int64_t count, float* y) {
  for_strips(count, [=](int64_t i, int64_t n) { store_some(y + i, load_some(x + i, n) * splat(factor), n); });
}

// ---- norms ----------------------------------------------------------------------------------------------------------

// The body with the pointer that is given.
template <typename AnyRow, typename Body>
CADDIE_INLINE void with(AnyRow row, Body body) {
  if (row.narrow != nullptr) {
    body(row.narrow);
  } else {
    body(row.data);
  }
}

CADDIE_INLINE float inverse_root(float x) { return 1.0F / square_root(splat(x))[0]; }

template <typename X, typename Y>
void rms_norm_row(const X* x, float epsilon, int64_t count, Y* y) {
  const float squares = sum_of(count, [=](int64_t i, int64_t n) {
    const F v = load_some(x + i, n);
    return v * v;
  });
  const F r = splat(inverse_root(squares / static_cast<float>(count) + epsilon));
  for_strips(count, [=](int64_t i, int64_t n) { store_some(y + i, load_some(x + i, n) * r, n); });
}

// Elements of a row that may be missing: zeros then.
CADDIE_INLINE F load_if_given(const float* row, int64_t i, int64_t n) {
  return row != nullptr ? load_some(row + i, n) : F{};
}

template <typename X, typename Dy, typename Dx>
void rms_norm_slopes(const X* x, const Dy* dy, float epsilon, int64_t count, const float* addend, Dx* dx) {
  const auto width = static_cast<float>(count);
  float totals[2];  // of x^2 and dy x
  sums_of(count, totals, [=](int64_t i, int64_t n) {
    const F v = load_some(x + i, n);
    return Terms<2>{{v * v, load_some(dy + i, n) * v}};
  });
  const float r = inverse_root(totals[0] / width + epsilon);
  const F pull = splat(-r * r * r * (totals[1] / width));
  for_strips(count, [=](int64_t i, int64_t n) {
    const F flows_past = load_if_given(addend, i, n);
    store_some(dx + i, fma(pull, load_some(x + i, n), fma(load_some(dy + i, n), splat(r), flows_past)), n);
  });
}

// Lanes without an element are read as the mean, so that they add nothing.
template <typename X, typename Y>
void layer_norm_row(const X* x, const float* weight, const float* bias, float epsilon, int64_t count, Y* y) {
  const auto width = static_cast<float>(count);
  const float mean = sum_of_row(x, count) / width;
  const float squares = sum_of(count, [=](int64_t i, int64_t n) {
    const F centred = load_some(x + i, n, mean) - splat(mean);
    return centred * centred;
  });
  const F r = splat(inverse_root(squares / width + epsilon));
  for_strips(count, [=](int64_t i, int64_t n) {
    const F normal = (load_some(x + i, n) - splat(mean)) * r;
    store_some(y + i, fma(normal, load_some(weight + i, n), load_some(bias + i, n)), n);
  });
}

template <typename X, typename Dy, typename Dx>
void layer_norm_slopes(const X* x, const float* weight, const Dy* dy, float epsilon, int64_t count, const float* addend,
                       Dx* dx, float* d_weight, float* d_bias) {
  const auto width = static_cast<float>(count);
  const float mean = sum_of_row(x, count) / width;
  float totals[3];  // of c^2, g and g c; c = x - mean, g = dy weight
  sums_of(count, totals, [=](int64_t i, int64_t n) {
    const F c = load_some(x + i, n, mean) - splat(mean);
    const F g = load_some(dy + i, n) * load_some(weight + i, n);
    return Terms<3>{{c * c, g, g * c}};
  });
  const float r = inverse_root(totals[0] / width + epsilon);
  const F shift = splat(-r * (totals[1] / width));
  const F pull = splat(-r * r * (totals[2] / width));
  for_strips(count, [=](int64_t i, int64_t n) {
    const F slope = load_some(dy + i, n);
    const F normal = (load_some(x + i, n) - splat(mean)) * splat(r);
    if (d_weight != nullptr) {
      store_some(d_weight + i, fma(slope, normal, load_some(d_weight + i, n)), n);
      store_some(d_bias + i, slope + load_some(d_bias + i, n), n);
    }
    const F g = slope * load_some(weight + i, n);
    const F flows_past = load_if_given(addend, i, n);
    store_some(dx + i, fma(pull, normal, fma(splat(r), g, shift + flows_past)), n);
  });
}

void rms_norm(Row x, float epsilon, int64_t count, RowOut y) {
  with(x, [=](auto from) { with(y, [=](auto to) { rms_norm_row(from, epsilon, count, to); }); });
}

void rms_norm_backward(Row x, Row dy, float epsilon, int64_t count, const float* addend, RowOut dx) {
  with(x, [=](auto from) {
    with(dy, [=](auto slope) { with(dx, [=](auto to) { rms_norm_slopes(from, slope, epsilon, count, addend, to); }); });
  });
}

void layer_norm(Row x, const float* weight, const float* bias, float epsilon, int64_t count, RowOut y) {
  with(x, [=](auto from) { with(y, [=](auto to) { layer_norm_row(from, weight, bias, epsilon, count, to); }); });
}

void layer_norm_backward(Row x, const float* weight, Row dy, float epsilon, int64_t count, const float* addend,
                         RowOut dx, float* d_weight, float* d_bias) {
  with(x, [=](auto from) {
    with(dy, [=](auto slope) {
      with(dx, [=](auto to) { layer_norm_slopes(from, weight, slope, epsilon, count, addend, to, d_weight, d_bias); });
    });
  });
}

// ---- rotary positions -----------------------------------------------------------------------------------------------

template <typename X, typename Y>
void turn_heads(const X* x, int64_t head_stride, const Heads& heads, const float* cosine, const float* sine, Y* y) {
  const int64_t pairs = heads.pairs;
  for (int64_t head = 0; head < heads.count; ++head, x += head_stride, y += heads.dim) {
    for_strips(pairs, [=](int64_t i, int64_t n) {
      const F c = load_some(cosine + i, n);
      const F s = load_some(sine + i, n);
      const F first = load_some(x + i, n);
      const F second = load_some(x + pairs + i, n);
      store_some(y + i, first * c + second * s, n);
      store_some(y + pairs + i, second * c - first * s, n);
    });
    const X* rest = x + 2 * pairs;
    Y* to = y + 2 * pairs;
    for_strips(heads.dim - 2 * pairs, [=](int64_t i, int64_t n) { store_some(to + i, load_some(rest + i, n), n); });
  }
}

void rope(Row x, int64_t head_stride, const Heads& heads, const float* cosine, const float* sine, RowOut y) {
  with(x, [=](auto from) { with(y, [=](auto to) { turn_heads(from, head_stride, heads, cosine, sine, to); }); });
}

// ---- sums and softmax -----------------------------------------------------------------------------------------------

void add(const float* x, int64_t count, float* out) {
  for_strips(count, [=](int64_t i, int64_t n) { store_some(out + i, load_some(out + i, n) + load_some(x + i, n), n); });
}

float exp_sum(const float* x, float shift, int64_t count, float* y) {
  return sum_of(count, [=](int64_t i, int64_t n) {
    const F e = exponential(load_some(x + i, n, -__builtin_inff()) - splat(shift));
    if (y != nullptr) store_some(y + i, e, n);
    return e;
  });
}

}  // namespace

extern const RowTable row_table;
const RowTable row_table{largest_of,          scale, rms_norm, rms_norm_backward, layer_norm,
                         layer_norm_backward, rope,  add,      exp_sum};

}  // namespace caddie::cpu::CADDIE_ISA
