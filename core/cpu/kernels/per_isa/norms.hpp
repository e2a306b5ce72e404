// Norms of rows and their gradients; rowwise.hpp has the formulas. Short rows are taken kLanes at a time: what is done
// once a row (sums over lanes, a root, a quotient) is then done for all of them at once.
#pragma once

#include "core/cpu/kernels/per_isa/lines.hpp"
#include "core/cpu/kernels/per_isa/simd_math.hpp"
#include "core/cpu/kernels/per_isa/strip.hpp"

namespace caddie::cpu::CADDIE_ISA {

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
  for (int s = 0; s < kSums; ++s) totals[s] = joined_lanes(lanes[s], [](F a, F b) { return a + b; });
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

template <typename T>
CADDIE_INLINE float sum_of_row(const T* x, int64_t count) {
  return sum_of(count, [=](int64_t i, int64_t n) { return load_some(x + i, n); });
}

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

inline void rms_norm(int64_t rows, int64_t columns, const Rows& x, float epsilon, const RowsOut& y) {
  with(x, [=](auto from) { with(y, [=](auto to) {
      with_width(columns, [=](auto width) { rms_norm_rows(rows, width, from, epsilon, to); });
    });
  });
}

inline void rms_norm_backward(int64_t rows, int64_t columns, const Rows& x, float epsilon, const Rows& dy,
                              const Rows& addend, const RowsOut& dx) {
  const Lines<const float> past{addend.data, addend.ld};
  with(x, [=](auto from) {
    with(dy, [=](auto slope) {
      with(dx, [=](auto to) {
        with_width(columns, [=](auto width) { rms_norm_slopes(rows, width, from, epsilon, slope, past, to); });
      });
    });
  });
}

inline void layer_norm(int64_t rows, int64_t columns, const Rows& x, const float* weight, const float* bias,
                       float epsilon, const RowsOut& y) {
  with(x, [=](auto from) {
    with(y, [=](auto to) {
      for (int64_t row = 0; row < rows; ++row) layer_norm_row(from[row], weight, bias, epsilon, columns, to[row]);
    });
  });
}

inline void layer_norm_backward(int64_t rows, int64_t columns, const Rows& x, const float* weight, float epsilon,
                                const Rows& dy, const Rows& addend, const RowsOut& dx, float* d_weight,
                                float* d_bias) {
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

}  // namespace caddie::cpu::CADDIE_ISA
