#include <type_traits>

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

// ---- rows of norms --------------------------------------------------------------------------------------------------

template <typename T>
struct Lines {
  T* first;
  int64_t ld;
  CADDIE_INLINE T* operator[](int64_t row) const { return first == nullptr ? nullptr : first + row * ld; }
};

// body(Lines) with the numbers that are given.
template <typename AnyRows, typename Body>
CADDIE_INLINE void with(const AnyRows& rows, Body body) {
  if (rows.narrow != nullptr) {
    body(Lines<std::remove_pointer_t<decltype(rows.narrow)>>{rows.narrow, rows.ld});
  } else {
    body(Lines<std::remove_pointer_t<decltype(rows.data)>>{rows.data, rows.ld});
  }
}

// body(row, how many) over rows: kLanes at a time while so many stay in L1 (their sums are added side by side), or one.
template <typename Body>
CADDIE_INLINE void for_groups(int64_t rows, int64_t columns, Body body) {
  constexpr int64_t kLongest = 256;
  const int64_t at_once = columns <= kLongest ? kLanes : 1;
  for (int64_t row = 0; row < rows; row += at_once) body(row, least(at_once, rows - row));
}

// Of each of `rows` rows, up to kLanes, the kSums totals of terms(row, i, n): lane r of totals[s] is that of row r. A
// row's total does not depend on how many there are.
template <int kSums, typename Make>
CADDIE_INLINE void totals_of_rows(int64_t rows, int64_t columns, F (&totals)[kSums], Make terms) {
  if (rows < kLanes) {
    for (int64_t row = 0; row < rows; ++row) {
      float of_row[kSums];
      sums_of(columns, of_row, [=](int64_t i, int64_t n) { return terms(row, i, n); });
      for (int s = 0; s < kSums; ++s) totals[s][row] = of_row[s];
    }
    return;
  }
  F lanes[kSums][kLanes];
  for (int64_t row = 0; row < kLanes; ++row) {
    F of_row[kSums];
    lane_sums_of(0, columns, of_row, [=](int64_t i, int64_t n) { return terms(row, i, n); });
    for (int s = 0; s < kSums; ++s) lanes[s][row] = of_row[s];
  }
  for (int s = 0; s < kSums; ++s) totals[s] = sums_of_lanes(lanes[s]);
}

// body(columns), as a constant where heads often have so many: loops over them are unrolled then.
template <typename Body>
CADDIE_INLINE void with_width(int64_t columns, Body body) {
  switch (columns) {
    case 2 * kLanes: return body(std::integral_constant<int64_t, 2 * kLanes>{});
    case 4 * kLanes: return body(std::integral_constant<int64_t, 4 * kLanes>{});
    default: return body(columns);
  }
}

// ---- norms ----------------------------------------------------------------------------------------------------------

CADDIE_INLINE F inverse_root(F x) { return splat(1.0F) / square_root(x); }
CADDIE_INLINE float inverse_root(float x) { return inverse_root(splat(x))[0]; }

template <typename Width, typename X, typename Y>
void rms_norm_rows(int64_t rows, Width columns, Lines<X> x, float epsilon, Lines<Y> y) {
  const F width = splat(static_cast<float>(columns));
  for_groups(rows, columns, [=](int64_t first, int64_t count) {
    F squares[1] = {};
    totals_of_rows(count, columns, squares, [=](int64_t row, int64_t i, int64_t n) {
      const F v = load_some(x[first + row] + i, n);
      return Terms<1>{{v * v}};
    });
    const F r = inverse_root(squares[0] / width + splat(epsilon));
    for (int64_t row = 0; row < count; ++row) {
      X* from = x[first + row];
      Y* to = y[first + row];
      const F factor = splat(r[row]);
      for_strips(columns, [=](int64_t i, int64_t n) { store_some(to + i, load_some(from + i, n) * factor, n); });
    }
  });
}

// Elements of a row that may be missing: zeros then.
CADDIE_INLINE F load_if_given(const float* row, int64_t i, int64_t n) {
  return row != nullptr ? load_some(row + i, n) : F{};
}

template <typename Width, typename X, typename Dy, typename Dx>
void rms_norm_slopes(int64_t rows, Width columns, Lines<X> x, float epsilon, Lines<Dy> dy, Lines<const float> addend,
                     Lines<Dx> dx) {
  const F width = splat(static_cast<float>(columns));
  for_groups(rows, columns, [=](int64_t first, int64_t count) {
    F totals[2] = {};  // of x^2 and dy x
    totals_of_rows(count, columns, totals, [=](int64_t row, int64_t i, int64_t n) {
      const F v = load_some(x[first + row] + i, n);
      return Terms<2>{{v * v, load_some(dy[first + row] + i, n) * v}};
    });
    const F r = inverse_root(totals[0] / width + splat(epsilon));
    const F pulls = -r * r * r * (totals[1] / width);
    for (int64_t row = 0; row < count; ++row) {
      X* from = x[first + row];
      Dy* slope = dy[first + row];
      const float* past = addend[first + row];
      Dx* to = dx[first + row];
      const F factor = splat(r[row]);
      const F pull = splat(pulls[row]);
      for_strips(columns, [=](int64_t i, int64_t n) {
        const F flows_past = load_if_given(past, i, n);
        store_some(to + i, fma(pull, load_some(from + i, n), fma(load_some(slope + i, n), factor, flows_past)), n);
      });
    }
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

void rms_norm(int64_t rows, int64_t columns, const Rows& x, float epsilon, const RowsOut& y) {
  with(x, [=](auto from) { with(y, [=](auto to) {
      with_width(columns, [=](auto width) { rms_norm_rows(rows, width, from, epsilon, to); });
    });
  });
}

void rms_norm_backward(int64_t rows, int64_t columns, const Rows& x, float epsilon, const Rows& dy, const Rows& addend,
                       const RowsOut& dx) {
  const Lines<const float> past{addend.data, addend.ld};
  with(x, [=](auto from) {
    with(dy, [=](auto slope) {
      with(dx, [=](auto to) {
        with_width(columns, [=](auto width) { rms_norm_slopes(rows, width, from, epsilon, slope, past, to); });
      });
    });
  });
}

void layer_norm(int64_t rows, int64_t columns, const Rows& x, const float* weight, const float* bias, float epsilon,
                const RowsOut& y) {
  with(x, [=](auto from) {
    with(y, [=](auto to) {
      for (int64_t row = 0; row < rows; ++row) layer_norm_row(from[row], weight, bias, epsilon, columns, to[row]);
    });
  });
}

void layer_norm_backward(int64_t rows, int64_t columns, const Rows& x, const float* weight, float epsilon,
                         const Rows& dy, const Rows& addend, const RowsOut& dx, float* d_weight, float* d_bias) {
  const Lines<const float> past{addend.data, addend.ld};
  with(x, [=](auto from) {
    with(dy, [=](auto slope) {
      with(dx, [=](auto to) {
        for (int64_t row = 0; row < rows; ++row) {
          layer_norm_slopes(from[row], weight, slope[row], epsilon, columns, past[row], to[row], d_weight, d_bias);
        }
      });
    });
  });
}

// ---- rotary positions -----------------------------------------------------------------------------------------------

template <typename X, typename Y>
CADDIE_INLINE void copy_numbers(const X* x, int64_t count, Y* y) {
  for_strips(count, [=](int64_t i, int64_t n) { store_some(y + i, load_some(x + i, n), n); });
}

template <typename X, typename Y>
CADDIE_INLINE void turn_heads(const X* x, int64_t head_stride, const Heads& heads, const float* cosine,
                              const float* sine, Y* y) {
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
    copy_numbers(x + 2 * pairs, heads.dim - 2 * pairs, y + 2 * pairs);
  }
}

// For heads whose turned numbers fit into one vector, which they do not leave.
class TurnInVector {
 public:
  static bool takes(const Heads& heads) { return 2 * heads.pairs <= kLanes && heads.dim >= kLanes; }

  CADDIE_INLINE explicit TurnInVector(const Heads& heads) : heads_(heads) {
    for (int i = 0; i < kLanes; ++i) {
      const bool is_first = i < heads.pairs;
      partner_[i] = static_cast<std::int32_t>(is_first ? i + heads.pairs : i < 2 * heads.pairs ? i - heads.pairs : i);
      angle_[i] = static_cast<std::int32_t>(is_first ? i : i < 2 * heads.pairs ? i - heads.pairs : 0);
      is_turned_[i] = i < 2 * heads.pairs ? -1 : 0;
      sign_[i] = is_first ? 1.0F : -1.0F;
    }
  }

  template <typename X, typename Y>
  CADDIE_INLINE void operator()(const X* x, int64_t head_stride, const float* cosine, const float* sine, Y* y) const {
    const F c = permute(load_some(cosine, heads_.pairs), angle_);
    const F s = permute(load_some(sine, heads_.pairs), angle_) * sign_;
    for (int64_t head = 0; head < heads_.count; ++head, x += head_stride, y += heads_.dim) {
      const F v = load_some(x, kLanes);
      store_some(y, select(is_turned_, v * c + permute(v, partner_) * s, v), kLanes);
      copy_numbers(x + kLanes, heads_.dim - kLanes, y + kLanes);
    }
  }

 private:
  Heads heads_;
  I partner_;  // with which a lane makes a pair
  I angle_;    // of the pair
  I is_turned_;
  F sign_;
};

template <typename X, typename Y>
void turn_positions(int64_t positions, Lines<X> x, int64_t head_stride, const Heads& heads, const float* cosine,
                    const float* sine, Lines<Y> y) {
  if (TurnInVector::takes(heads)) {
    const TurnInVector turn(heads);
    for (int64_t t = 0; t < positions; ++t) {
      turn(x[t], head_stride, cosine + t * heads.pairs, sine + t * heads.pairs, y[t]);
    }
    return;
  }
  for (int64_t t = 0; t < positions; ++t) {
    turn_heads(x[t], head_stride, heads, cosine + t * heads.pairs, sine + t * heads.pairs, y[t]);
  }
}

void rope(int64_t positions, const Rows& x, int64_t head_stride, const Heads& heads, const float* cosine,
          const float* sine, const RowsOut& y) {
  with(x, [=, &heads](auto from) {
    with(y, [=, &heads](auto to) { turn_positions(positions, from, head_stride, heads, cosine, sine, to); });
  });
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
