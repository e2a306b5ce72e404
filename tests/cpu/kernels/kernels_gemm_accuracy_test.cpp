// How exact float32 products are, and on what the bits of an element depend. The tile unit makes them in fixed point.
#include <algorithm>
#include <cmath>
#include <string>

#include "core/cpu/kernels/gemm.hpp"
#include "tests/cpu/kernels/support.hpp"

namespace caddie::cpu {
namespace {

using namespace caddie::cpu::testing;

class GemmAccuracy : public EachIsa {};
INSTANTIATE_EACH_ISA(GemmAccuracy);

// A [m, k] times B [k, n].
struct Pair {
  std::int64_t m, n, k;
  std::vector<float> a, b;

  Pair(std::int64_t rows, std::int64_t columns, std::int64_t depth)
      : m(rows), n(columns), k(depth), a(normals(rows * depth, 1)), b(normals(depth * columns, 2)) {}

  float& a_at(std::int64_t i, std::int64_t p) { return a[static_cast<std::size_t>(i * k + p)]; }
  float& b_at(std::int64_t p, std::int64_t j) { return b[static_cast<std::size_t>(p * n + j)]; }

  std::vector<float> product() const { return product(a, k, false, b, n, false); }
  std::vector<float> product_of_transposes() const {
    std::vector<float> at(a.size());
    std::vector<float> bt(b.size());
    for (std::int64_t p = 0; p < k; ++p) {
      for (std::int64_t i = 0; i < m; ++i) at[static_cast<std::size_t>(p * m + i)] = a[static_cast<std::size_t>(i * k + p)];
      for (std::int64_t j = 0; j < n; ++j) bt[static_cast<std::size_t>(j * k + p)] = b[static_cast<std::size_t>(p * n + j)];
    }
    return product(at, m, true, bt, k, true);
  }

 private:
  std::vector<float> product(const std::vector<float>& left, std::int64_t lda, bool ta, const std::vector<float>& right,
                             std::int64_t ldb, bool tb) const {
    std::vector<float> c(static_cast<std::size_t>(m * n));
    ThreadPool pool(1);
    Gemm g{.m = m, .n = n, .k = k};
    g.a = {left.data(), lda, ta, 0};
    g.b = {right.data(), ldb, tb, 0};
    g.c = c.data();
    g.ldc = n;
    Workspace space(gemm_workspace_bytes(g, 1));
    gemm(g, pool, space.get());
    return c;
  }
};

struct Errors {
  double worst = 0;            // |error| over sum |a b|
  double root_mean_square = 0;  // of the same
};

Errors errors_of(const Pair& f) {
  const std::vector<float> c = f.product();
  Errors errors;
  for (std::int64_t i = 0; i < f.m; ++i) {
    for (std::int64_t j = 0; j < f.n; ++j) {
      double sum = 0;
      double magnitude = 0;
      for (std::int64_t p = 0; p < f.k; ++p) {
        const double term = static_cast<double>(f.a[static_cast<std::size_t>(i * f.k + p)]) *
                            static_cast<double>(f.b[static_cast<std::size_t>(p * f.n + j)]);
        sum += term;
        magnitude += std::abs(term);
      }
      if (magnitude == 0) {
        EXPECT_EQ(c[static_cast<std::size_t>(i * f.n + j)], 0.0F);
        continue;
      }
      const double error = std::abs(static_cast<double>(c[static_cast<std::size_t>(i * f.n + j)]) - sum) / magnitude;
      EXPECT_FALSE(std::isnan(error));
      errors.worst = std::max(errors.worst, error);
      errors.root_mean_square += error * error;
    }
  }
  errors.root_mean_square = std::sqrt(errors.root_mean_square / static_cast<double>(f.m * f.n));
  return errors;
}

void expect_float32(const Pair& f, const std::string& what) {
  const Errors errors = errors_of(f);
  EXPECT_LT(errors.worst, 3e-6) << what;
  EXPECT_LT(errors.root_mean_square, 4e-7) << what;
}

TEST_P(GemmAccuracy, OfNumbersOfOneSize) {
  for (const std::int64_t k : {64, 256, 1024}) {
    const Errors errors = errors_of(Pair(64, 64, k));
    EXPECT_LT(errors.worst, 6e-7) << k;
    EXPECT_LT(errors.root_mean_square, 8e-8) << k;
  }
}

TEST_P(GemmAccuracy, OfActivationsAndSlopes) {
  Pair squares(64, 64, 1024);  // squared ReLU
  for (float& x : squares.a) x = x > 0 ? x * x : 0.0F;
  expect_float32(squares, "squared relu");
  Pair slopes(64, 64, 1024);  // of logits: a probability less one at the target
  for (std::int64_t i = 0; i < slopes.m; ++i) {
    for (std::int64_t p = 0; p < slopes.k; ++p) slopes.a_at(i, p) = std::exp(2 * slopes.a_at(i, p)) / 8000;
    slopes.a_at(i, i * 13) -= 1;
  }
  expect_float32(slopes, "slopes of logits");
  Pair tokens(64, 64, 512);  // whose losses differ much
  for (std::int64_t p = 0; p < tokens.k; ++p) {
    const float size = std::exp(2 * tokens.a_at(0, p));
    for (std::int64_t i = 0; i < tokens.m; ++i) tokens.a_at(i, p) *= size;
  }
  expect_float32(tokens, "tokens of different weight");
}

TEST_P(GemmAccuracy, OfOutliersThatMeetSmallWeights) {
  for (const float size : {30.0F, 300.0F, 3000.0F}) {
    Pair f(40, 70, 200);
    for (std::int64_t i = 0; i < f.m; ++i) f.a_at(i, 7) *= size;
    for (std::int64_t j = 0; j < f.n; ++j) f.b_at(7, j) /= size;
    expect_float32(f, "outliers of " + std::to_string(size));
  }
  Pair extreme(40, 70, 200);  // fixed point loses digits here
  for (std::int64_t i = 0; i < extreme.m; ++i) extreme.a_at(i, 7) *= 1e5F;
  for (std::int64_t j = 0; j < extreme.n; ++j) extreme.b_at(7, j) *= 1e-5F;
  EXPECT_LT(errors_of(extreme).worst, 3e-5);
}

TEST_P(GemmAccuracy, OfRowsOfVeryDifferentSizes) {
  Pair f(48, 48, 100);
  for (std::int64_t i = 0; i < f.m; ++i) {
    for (std::int64_t p = 0; p < f.k; ++p) f.a_at(i, p) *= std::pow(10.0F, static_cast<float>(i % 41 - 20));
  }
  for (std::int64_t j = 0; j < f.n; ++j) {
    for (std::int64_t p = 0; p < f.k; ++p) f.b_at(p, j) *= std::pow(10.0F, static_cast<float>(j % 15 - 7));
  }
  for (std::int64_t p = 0; p < f.k; ++p) f.a_at(5, p) = f.b_at(p, 9) = 0;
  expect_float32(f, "rows and columns from 1e-20 to 1e20");
}

// A row's bits do not depend on what other rows are multiplied beside it: no token may see another this way.
TEST_P(GemmAccuracy, AnElementDependsOnItsRowAndColumnAlone) {
  const Pair calm(40, 70, 300);
  const std::vector<float> want = calm.product();
  Pair wild = calm;
  for (const std::int64_t i : {3, 17, 18, 39}) {
    for (std::int64_t p = 0; p < wild.k; ++p) wild.a_at(i, p) *= p % 50 == 7 ? 1e6F : 1e-3F;
  }
  for (std::int64_t p = 0; p < wild.k; ++p) wild.b_at(p, 33) *= p == 5 ? 1e6F : 1.0F;
  const std::vector<float> got = wild.product();
  for (std::int64_t i = 0; i < calm.m; ++i) {
    if (i == 3 || i == 17 || i == 18 || i == 39) continue;
    for (std::int64_t j = 0; j < calm.n; ++j) {
      if (j == 33) continue;
      const auto at = static_cast<std::size_t>(i * calm.n + j);
      ASSERT_EQ(got[at], want[at]) << i << " " << j;
    }
  }
}

TEST_P(GemmAccuracy, TransposesGiveTheSameBits) {
  Pair f(50, 90, 330);
  for (std::int64_t p = 0; p < f.k; p += 60) f.a_at(4, p) *= 500;
  EXPECT_TRUE(same_bits(f.product(), f.product_of_transposes()));
}

}  // namespace
}  // namespace caddie::cpu
