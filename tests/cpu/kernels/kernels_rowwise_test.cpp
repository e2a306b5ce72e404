#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "core/cpu/kernels/rowwise.hpp"
#include "tests/cpu/kernels/support.hpp"

namespace caddie::cpu {
namespace {

using namespace caddie::cpu::testing;
using std::int64_t;

std::size_t at(int64_t i) { return static_cast<std::size_t>(i); }

class RowwiseTest : public EachIsa {
 protected:
  struct Shape {
    int64_t rows, columns, ld;
    std::string text() const { return std::to_string(rows) + "x" + std::to_string(columns); }
  };
  static std::vector<Shape> shapes() {
    return {{1, 1, 1}, {3, 7, 9}, {9, 16, 16}, {130, 33, 40}, {300, 64, 64}, {5, 5000, 5001}, {17, 512, 512}};
  }
  // Runs `body` with 1, 2 and 3 threads, expects the same bits, returns them.
  template <typename Body>
  static std::vector<float> same_for_all_threads(const Body& body) {
    ThreadPool one(1), two(2), three(3);
    const std::vector<float> first = body(one);
    EXPECT_TRUE(same_bits(first, body(two)));
    EXPECT_TRUE(same_bits(first, body(three)));
    return first;
  }
};
INSTANTIATE_EACH_ISA(RowwiseTest);

// body(place) for every element that is not between rows.
template <class Shape, class Body>
void for_columns(const Shape& s, Body body) {
  for (int64_t i = 0; i < s.rows; ++i) {
    for (int64_t j = 0; j < s.columns; ++j) body(at(i * s.ld + j));
  }
}

TEST_P(RowwiseTest, RmsNorm) {
  for (const Shape& s : shapes()) {
    const std::vector<float> x = normals(s.rows * s.ld, 1), dy = normals(s.rows * s.ld, 3);
    std::vector<double> y(x.begin(), x.end()), dx(x.begin(), x.end());
    for (int64_t i = 0; i < s.rows; ++i) {
      double squares = 0, dot = 0;
      for (int64_t j = 0; j < s.columns; ++j) {
        const double v = x[at(i * s.ld + j)];
        squares += v * v;
        dot += v * static_cast<double>(dy[at(i * s.ld + j)]);
      }
      const double r = 1 / std::sqrt(squares / static_cast<double>(s.columns) + static_cast<double>(1e-5F));
      for (int64_t j = 0; j < s.columns; ++j) {
        const double v = x[at(i * s.ld + j)];
        y[at(i * s.ld + j)] = v * r;
        dx[at(i * s.ld + j)] =
            r * (static_cast<double>(dy[at(i * s.ld + j)]) - v * r * r * dot / static_cast<double>(s.columns));
      }
    }
    const std::vector<float> got_y = same_for_all_threads([&](ThreadPool& pool) {
      std::vector<float> out = x;
      rms_norm_forward(s.rows, s.columns, {out.data(), s.ld}, 1e-5F, {out.data(), s.ld}, pool);
      return out;
    });
    expect_close(got_y, y, 1e-6, 1e-6, s.text() + " y");
    const std::vector<float> got_dx = same_for_all_threads([&](ThreadPool& pool) {
      std::vector<float> out = x;
      rms_norm_backward(s.rows, s.columns, {x.data(), s.ld}, 1e-5F, {dy.data(), s.ld}, {}, {out.data(), s.ld}, pool);
      return out;
    });
    expect_close(got_dx, dx, 2e-6, 2e-6, s.text() + " dx");
    const std::vector<float> addend = normals(s.rows * s.ld, 5);
    std::vector<double> sum(addend.begin(), addend.end());
    for_columns(s, [&](std::size_t i) { sum[i] += dx[i]; });
    const std::vector<float> got_sum = same_for_all_threads([&](ThreadPool& pool) {
      std::vector<float> out = addend;
      rms_norm_backward(s.rows, s.columns, {x.data(), s.ld}, 1e-5F, {dy.data(), s.ld}, {out.data(), s.ld},
                        {out.data(), s.ld}, pool);
      return out;
    });
    expect_close(got_sum, sum, 2e-6, 2e-6, s.text() + " sum");
  }
}

// Short rows are taken side by side.
TEST_P(RowwiseTest, BitsOfARowDependOnItAlone) {
  ThreadPool pool(1);
  constexpr int64_t kRows = 37;
  for (const int64_t columns : {1, 5, 8, 16, 20, 32, 64, 100, 128, 256, 257, 300}) {
    const std::vector<float> x = normals(kRows * columns, 1), dy = normals(kRows * columns, 3);
    std::vector<float> y(x.size()), dx(x.size()), one_y(x.size()), one_dx(x.size());
    rms_norm_forward(kRows, columns, {x.data(), columns}, 1e-5F, {y.data(), columns}, pool);
    rms_norm_backward(kRows, columns, {x.data(), columns}, 1e-5F, {dy.data(), columns}, {}, {dx.data(), columns}, pool);
    for (int64_t row = 0; row < kRows; ++row) {
      const Rows of_x{x.data() + row * columns, columns}, of_dy{dy.data() + row * columns, columns};
      rms_norm_forward(1, columns, of_x, 1e-5F, {one_y.data() + row * columns, columns}, pool);
      rms_norm_backward(1, columns, of_x, 1e-5F, of_dy, {}, {one_dx.data() + row * columns, columns}, pool);
    }
    EXPECT_TRUE(same_bits(y, one_y)) << columns;
    EXPECT_TRUE(same_bits(dx, one_dx)) << columns;
  }
}

// What one layer norm and its gradient should be.
struct LayerNormed {
  LayerNormed(int64_t rows, int64_t columns, int64_t ld, const std::vector<float>& x, const std::vector<float>& weight,
              const std::vector<float>& bias, const std::vector<float>& slope)
      : y(x.begin(), x.end()), dx(x.begin(), x.end()), d_weight(weight.size()), d_bias(weight.size()) {
    const auto width = static_cast<double>(columns);
    for (int64_t i = 0; i < rows; ++i) {
      const auto of = [&](const std::vector<float>& from, int64_t j) {
        return static_cast<double>(from[at(i * ld + j)]);
      };
      double mean = 0, variance = 0, g_mean = 0, along = 0;
      for (int64_t j = 0; j < columns; ++j) mean += of(x, j) / width;
      for (int64_t j = 0; j < columns; ++j) variance += std::pow(of(x, j) - mean, 2) / width;
      const double r = 1 / std::sqrt(variance + static_cast<double>(1e-5F));
      const auto n = [&](int64_t j) { return (of(x, j) - mean) * r; };
      const auto g = [&](int64_t j) { return of(slope, j) * static_cast<double>(weight[at(j)]); };
      for (int64_t j = 0; j < columns; ++j) {
        g_mean += g(j) / width;
        along += g(j) * n(j) / width;
      }
      for (int64_t j = 0; j < columns; ++j) {
        y[at(i * ld + j)] = n(j) * static_cast<double>(weight[at(j)]) + static_cast<double>(bias[at(j)]);
        dx[at(i * ld + j)] = r * (g(j) - g_mean - n(j) * along);
        d_weight[at(j)] += of(slope, j) * n(j);
        d_bias[at(j)] += of(slope, j);
      }
    }
  }
  std::vector<double> y, dx, d_weight, d_bias;
};

TEST_P(RowwiseTest, LayerNorm) {
  for (const Shape& s : shapes()) {
    std::vector<float> x = normals(s.rows * s.ld, 1);
    for (float& v : x) v += 30.0F;  // variances survive a mean that is far away
    const std::vector<float> weight = normals(s.columns, 2), bias = normals(s.columns, 4);
    const std::vector<float> dy = normals(s.rows * s.ld, 3);
    const LayerNormed expected(s.rows, s.columns, s.ld, x, weight, bias, dy);
    const std::vector<float> got_y = same_for_all_threads([&](ThreadPool& pool) {
      std::vector<float> out = x;
      layer_norm_forward(s.rows, s.columns, {out.data(), s.ld}, weight.data(), bias.data(), 1e-5F,
                         {out.data(), s.ld}, pool);
      return out;
    });
    expect_close(got_y, expected.y, 3e-5, 1e-5, s.text() + " y");
    std::vector<float> d_weight(at(s.columns)), d_bias(at(s.columns));
    const auto backward = [&](ThreadPool& pool, bool sums) {
      std::vector<float> out = x;
      for (int64_t i = 0; i < s.rows; ++i) std::copy_n(dy.data() + i * s.ld, s.columns, out.data() + i * s.ld);
      Workspace space(layer_norm_backward_workspace_bytes(s.rows, s.columns));
      layer_norm_backward(s.rows, s.columns, {x.data(), s.ld}, weight.data(), 1e-5F, {out.data(), s.ld},
                          {}, {out.data(), s.ld}, sums ? d_weight.data() : nullptr, sums ? d_bias.data() : nullptr, pool,
                          sums ? space.get() : nullptr);
      return out;
    };
    const auto with_sums = same_for_all_threads([&](ThreadPool& pool) { return backward(pool, true); });
    expect_close(with_sums, expected.dx, 3e-5, 3e-5, s.text() + " dx");
    expect_close(d_weight, expected.d_weight, 2e-4, 2e-5, s.text() + " d_weight");
    expect_close(d_bias, expected.d_bias, 2e-5, 1e-5, s.text() + " d_bias");
    for (const std::vector<float>* sums : {&d_weight, &d_bias}) {
      same_for_all_threads([&](ThreadPool& pool) { backward(pool, true); return *sums; });
    }
    EXPECT_TRUE(same_bits(with_sums, same_for_all_threads([&](ThreadPool& pool) { return backward(pool, false); })));
    const std::vector<float> addend = normals(s.rows * s.ld, 5);
    std::vector<double> sum(addend.begin(), addend.end());
    for_columns(s, [&](std::size_t i) { sum[i] += expected.dx[i]; });
    const std::vector<float> got_sum = same_for_all_threads([&](ThreadPool& pool) {
      std::vector<float> out = addend;
      layer_norm_backward(s.rows, s.columns, {x.data(), s.ld}, weight.data(), 1e-5F, {dy.data(), s.ld},
                          {out.data(), s.ld}, {out.data(), s.ld}, nullptr, nullptr, pool, nullptr);
      return out;
    });
    expect_close(got_sum, sum, 3e-5, 3e-5, s.text() + " sum");
  }
}

// Norms read and write bfloat16: the result in floats for the same numbers, rounded once.
TEST_P(RowwiseTest, NormsOfBfloat16) {
  ThreadPool pool(2);
  for (const Shape& s : shapes()) {
    const auto narrow_x = narrowed(normals(s.rows * s.ld, 1)), narrow_dy = narrowed(normals(s.rows * s.ld, 2));
    const std::vector<float> x = widened(narrow_x), dy = widened(narrow_dy), weight = normals(s.columns, 3),
                             bias = normals(s.columns, 4);
    const Rows wide_x{x.data(), s.ld}, wide_dy{dy.data(), s.ld};
    // Calls a norm with every choice of widths.
    const auto check = [&](const std::string& name, int inputs, const auto& norm) {
      std::vector<float> expected(x.size());
      norm(wide_x, wide_dy, RowsOut{expected.data(), s.ld});
      const auto rounded = narrowed(expected);
      for (int choice = 0; choice < 1 << (inputs + 1); ++choice) {
        const Rows from = (choice & 2) != 0 ? Rows{nullptr, s.ld, narrow_x.data()} : wide_x;
        const Rows slope = (choice & 4) != 0 ? Rows{nullptr, s.ld, narrow_dy.data()} : wide_dy;
        std::vector<float> got(x.size());
        std::vector<std::uint16_t> narrow_got(x.size());
        if ((choice & 1) != 0) {
          norm(from, slope, RowsOut{nullptr, s.ld, narrow_got.data()});
          EXPECT_EQ(narrow_got, rounded) << name << " " << s.text() << " " << choice;
        } else {
          norm(from, slope, RowsOut{got.data(), s.ld});
          EXPECT_TRUE(same_bits(got, expected)) << name << " " << s.text() << " " << choice;
        }
      }
    };
    check("rms_norm", 1, [&](Rows from, Rows, RowsOut to) {
      rms_norm_forward(s.rows, s.columns, from, 1e-5F, to, pool);
    });
    check("rms_norm_backward", 2, [&](Rows from, Rows slope, RowsOut to) {
      rms_norm_backward(s.rows, s.columns, from, 1e-5F, slope, {}, to, pool);
    });
    check("layer_norm", 1, [&](Rows from, Rows, RowsOut to) {
      layer_norm_forward(s.rows, s.columns, from, weight.data(), bias.data(), 1e-5F, to, pool);
    });
    std::vector<float> d_weight(at(s.columns)), d_bias(at(s.columns));
    Workspace space(layer_norm_backward_workspace_bytes(s.rows, s.columns));
    check("layer_norm_backward", 2, [&](Rows from, Rows slope, RowsOut to) {
      layer_norm_backward(s.rows, s.columns, from, weight.data(), 1e-5F, slope, {}, to, d_weight.data(), d_bias.data(),
                          pool, space.get());
    });
  }
}

TEST_P(RowwiseTest, SoftmaxAndLogSumExp) {
  for (const Shape& s : shapes()) {
    const std::vector<float> x = normals(s.rows * s.ld, 4, 5.0F);
    std::vector<double> y(x.begin(), x.end()), lse(at(s.rows));
    for (int64_t i = 0; i < s.rows; ++i) {
      double sum = 0;
      for (int64_t j = 0; j < s.columns; ++j) sum += std::exp(static_cast<double>(x[at(i * s.ld + j)]));
      lse[at(i)] = std::log(sum);
      for (int64_t j = 0; j < s.columns; ++j) {
        y[at(i * s.ld + j)] = std::exp(static_cast<double>(x[at(i * s.ld + j)])) / sum;
      }
    }
    const std::vector<float> got = same_for_all_threads([&](ThreadPool& pool) {
      std::vector<float> out = x;
      softmax_forward(s.rows, s.columns, {out.data(), s.ld}, {out.data(), s.ld}, pool);
      return out;
    });
    expect_close(got, y, 1e-7, 5e-6, s.text() + " y");
    expect_close(same_for_all_threads([&](ThreadPool& pool) {
                   std::vector<float> out(at(s.rows));
                   log_sum_exp(s.rows, s.columns, {x.data(), s.ld}, out.data(), pool);
                   return out;
                 }),
                 lse, 1e-6, 1e-6, s.text() + " lse");
  }
}

TEST_P(RowwiseTest, InfinitiesAndNan) {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  ThreadPool pool(1);
  float lse = 0;
  const std::vector<float> nothing(20, -inf);
  log_sum_exp(1, 20, {nothing.data(), 20}, &lse, pool);
  EXPECT_EQ(lse, -inf);
  log_sum_exp(1, 0, {nothing.data(), 20}, &lse, pool);
  EXPECT_EQ(lse, -inf);
  std::vector<float> x(20, 1.0F);
  x[13] = inf;
  log_sum_exp(1, 20, {x.data(), 20}, &lse, pool);
  EXPECT_EQ(lse, inf);
  x[13] = -inf;
  log_sum_exp(1, 20, {x.data(), 20}, &lse, pool);
  EXPECT_NEAR(lse, 1 + std::log(19.0), 1e-6);
  x[2] = nan;
  log_sum_exp(1, 20, {x.data(), 20}, &lse, pool);
  EXPECT_TRUE(std::isnan(lse));
  rms_norm_forward(1, 20, {x.data(), 20}, 0, {x.data(), 20}, pool);
  EXPECT_TRUE(std::isnan(x[0]));
}

}  // namespace
}  // namespace caddie::cpu
