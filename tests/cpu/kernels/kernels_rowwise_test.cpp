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

TEST_P(RowwiseTest, RmsNorm) {
  for (const Shape& s : shapes()) {
    for (const bool weighted : {false, true}) {
      const std::vector<float> x = normals(s.rows * s.ld, 1), weight = normals(s.columns, 2),
                               dy = normals(s.rows * s.ld, 3);
      const float* w = weighted ? weight.data() : nullptr;
      std::vector<double> y(x.begin(), x.end()), dx(x.begin(), x.end()), dw(at(s.columns)), r(at(s.rows));
      for (int64_t i = 0; i < s.rows; ++i) {
        double squares = 0, dot = 0;
        for (int64_t j = 0; j < s.columns; ++j) squares += std::pow(static_cast<double>(x[at(i * s.ld + j)]), 2);
        r[at(i)] = 1 / std::sqrt(squares / static_cast<double>(s.columns) + static_cast<double>(1e-5F));
        const auto slope = [&](int64_t j) {
          return static_cast<double>(dy[at(i * s.ld + j)]) * static_cast<double>(weighted ? weight[at(j)] : 1.0F);
        };
        for (int64_t j = 0; j < s.columns; ++j) dot += slope(j) * x[at(i * s.ld + j)];
        for (int64_t j = 0; j < s.columns; ++j) {
          const double v = x[at(i * s.ld + j)];
          y[at(i * s.ld + j)] = v * r[at(i)] * static_cast<double>(weighted ? weight[at(j)] : 1.0F);
          dx[at(i * s.ld + j)] = r[at(i)] * (slope(j) - v * r[at(i)] * r[at(i)] * dot / static_cast<double>(s.columns));
          dw[at(j)] += dy[at(i * s.ld + j)] * v * r[at(i)];
        }
      }
      std::vector<float> rstd(at(s.rows));
      const std::vector<float> got_y = same_for_all_threads([&](ThreadPool& pool) {
        std::vector<float> out = x;
        rms_norm_forward(s.rows, s.columns, {out.data(), s.ld}, w, 1e-5F, {out.data(), s.ld}, rstd.data(), pool);
        return out;
      });
      expect_close(got_y, y, 1e-6, 1e-6, s.text() + " y");
      expect_close(rstd, r, 0, 1e-6, s.text() + " rstd");
      std::vector<float> d_weight(at(s.columns));
      const auto backward = [&](ThreadPool& pool) {
        std::vector<float> out = x;
        Workspace space(rms_norm_backward_workspace_bytes(s.rows, s.columns));
        rms_norm_backward(s.rows, s.columns, {x.data(), s.ld}, w, rstd.data(), {dy.data(), s.ld}, {out.data(), s.ld},
                          weighted ? d_weight.data() : nullptr, pool, weighted ? space.get() : nullptr);
        return out;
      };
      expect_close(same_for_all_threads(backward), dx, 2e-6, 2e-6, s.text() + " dx");
      if (!weighted) continue;
      expect_close(d_weight, dw, 2e-5, 1e-5, s.text() + " d_weight");
      same_for_all_threads([&](ThreadPool& pool) { backward(pool); return d_weight; });
    }
  }
}

TEST_P(RowwiseTest, SoftmaxAndLogSumExp) {
  for (const Shape& s : shapes()) {
    const std::vector<float> x = normals(s.rows * s.ld, 4, 5.0F), dy = normals(s.rows * s.ld, 5);
    std::vector<double> y(x.begin(), x.end()), dx(x.begin(), x.end()), lse(at(s.rows));
    for (int64_t i = 0; i < s.rows; ++i) {
      double sum = 0, dot = 0;
      for (int64_t j = 0; j < s.columns; ++j) sum += std::exp(static_cast<double>(x[at(i * s.ld + j)]));
      lse[at(i)] = std::log(sum);
      for (int64_t j = 0; j < s.columns; ++j) {
        y[at(i * s.ld + j)] = std::exp(static_cast<double>(x[at(i * s.ld + j)])) / sum;
        dot += y[at(i * s.ld + j)] * dy[at(i * s.ld + j)];
      }
      for (int64_t j = 0; j < s.columns; ++j) dx[at(i * s.ld + j)] = y[at(i * s.ld + j)] * (dy[at(i * s.ld + j)] - dot);
    }
    const std::vector<float> got = same_for_all_threads([&](ThreadPool& pool) {
      std::vector<float> out = x;
      softmax_forward(s.rows, s.columns, {out.data(), s.ld}, {out.data(), s.ld}, pool);
      return out;
    });
    expect_close(got, y, 1e-7, 5e-6, s.text() + " y");
    expect_close(same_for_all_threads([&](ThreadPool& pool) {
                   std::vector<float> out = x;
                   softmax_backward(s.rows, s.columns, {got.data(), s.ld}, {dy.data(), s.ld}, {out.data(), s.ld}, pool);
                   return out;
                 }),
                 dx, 1e-6, 1e-5, s.text() + " dx");
    expect_close(same_for_all_threads([&](ThreadPool& pool) {
                   std::vector<float> out(at(s.rows));
                   log_sum_exp(s.rows, s.columns, {x.data(), s.ld}, out.data(), pool);
                   return out;
                 }),
                 lse, 1e-6, 1e-6, s.text() + " lse");
  }
}

TEST_P(RowwiseTest, Sums) {
  for (const Shape& s : shapes()) {
    const std::vector<float> x = normals(s.rows * s.ld, 6);
    std::vector<double> rows(at(s.rows)), columns(at(s.columns));
    for (int64_t i = 0; i < s.rows; ++i) {
      for (int64_t j = 0; j < s.columns; ++j) {
        rows[at(i)] += x[at(i * s.ld + j)];
        columns[at(j)] += x[at(i * s.ld + j)];
      }
    }
    expect_close(same_for_all_threads([&](ThreadPool& pool) {
                   std::vector<float> out(at(s.rows));
                   sum_rows(s.rows, s.columns, {x.data(), s.ld}, out.data(), pool);
                   return out;
                 }),
                 rows, 2e-5, 1e-6, s.text() + " rows");
    expect_close(same_for_all_threads([&](ThreadPool& pool) {
                   std::vector<float> out(at(s.columns));
                   Workspace space(sum_columns_workspace_bytes(s.rows, s.columns));
                   sum_columns(s.rows, s.columns, {x.data(), s.ld}, out.data(), pool, space.get());
                   return out;
                 }),
                 columns, 1e-5, 1e-6, s.text() + " columns");
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
  rms_norm_forward(1, 20, {x.data(), 20}, nullptr, 0, {x.data(), 20}, nullptr, pool);
  EXPECT_TRUE(std::isnan(x[0]));
}

}  // namespace
}  // namespace caddie::cpu
