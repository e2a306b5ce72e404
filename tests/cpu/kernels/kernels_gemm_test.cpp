#include <cmath>
#include <limits>
#include <string>

#include "core/cpu/kernels/gemm.hpp"
#include "tests/cpu/kernels/support.hpp"

namespace caddie::cpu {
namespace {

using namespace caddie::cpu::testing;

struct Case {
  std::int64_t m, n, k;
  bool ta = false, tb = false, accumulate = false, packed = false;
  std::int64_t batch = 1, slack = 0;  // slack: floats between rows
  bool shared_b = false;

  std::string text() const {
    return std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k) + (ta ? " T" : " N") +
           (tb ? "T" : "N") + (accumulate ? " +=" : " =") + (packed ? " packed" : "") + " batch " +
           std::to_string(batch) + " slack " + std::to_string(slack);
  }
};

struct Problem {
  explicit Problem(const Case& what) : shape(what) {
    lda = (shape.ta ? shape.m : shape.k) + shape.slack;
    ldb = (shape.tb ? shape.k : shape.n) + shape.slack;
    ldc = shape.n + shape.slack;
    a_stride = lda * (shape.ta ? shape.k : shape.m) + shape.slack;
    b_stride = shape.shared_b ? 0 : ldb * (shape.tb ? shape.n : shape.k) + shape.slack;
    c_stride = ldc * shape.m + shape.slack;
    a = normals(a_stride * shape.batch, 1);
    b = normals(ldb * (shape.tb ? shape.n : shape.k) * (shape.shared_b ? 1 : shape.batch) + shape.slack * shape.batch,
                2);
    c = normals(c_stride * shape.batch, 3);
  }

  std::vector<double> expected(Factors factors) const {
    std::vector<double> out(c.begin(), c.end());
    for (std::int64_t s = 0; s < shape.batch; ++s) {
      for (std::int64_t i = 0; i < shape.m; ++i) {
        for (std::int64_t j = 0; j < shape.n; ++j) {
          double sum = 0;
          for (std::int64_t p = 0; p < shape.k; ++p) {
            const std::int64_t ia = s * a_stride + (shape.ta ? p * lda + i : i * lda + p);
            const std::int64_t ib = s * b_stride + (shape.tb ? j * ldb + p : p * ldb + j);
            sum += static_cast<double>(as_factor(a[static_cast<std::size_t>(ia)], factors)) *
                   as_factor(b[static_cast<std::size_t>(ib)], factors);
          }
          double& element = out[static_cast<std::size_t>(s * c_stride + i * ldc + j)];
          element = shape.accumulate ? element + sum : sum;
        }
      }
    }
    return out;
  }

  std::vector<float> run(int threads, Factors factors = Factors::f32, Epilogue epilogue = {},
                         bool adds_to_c = false) const {
    std::vector<float> out = c;
    ThreadPool pool(threads);
    Gemm g;
    g.m = shape.m;
    g.n = shape.n;
    g.k = shape.k;
    g.batch = shape.batch;
    g.a = {a.data(), lda, shape.ta, a_stride};
    g.b = {b.data(), ldb, shape.tb, b_stride};
    g.c = out.data();
    g.ldc = ldc;
    g.c_batch_stride = c_stride;
    g.accumulate = shape.accumulate;
    g.factors = factors;
    g.epilogue = epilogue;
    if (adds_to_c) g.epilogue.addend = out.data();
    Workspace packed(packed_b_bytes(factors, shape.k, shape.n) * static_cast<std::size_t>(shape.batch));
    if (shape.packed) {
      g.packed_b = packed.floats();
      g.packed_b_stride = b_stride == 0 ? 0 : static_cast<std::int64_t>(packed_b_bytes(factors, shape.k, shape.n) / 4);
      for (std::int64_t s = 0; s < (b_stride == 0 ? 1 : shape.batch); ++s) {
        Operand one = g.b;
        one.data += s * b_stride;
        pack_b(factors, one, shape.k, shape.n, pool, packed.floats() + s * g.packed_b_stride);
      }
      g.b = {};
    }
    Workspace space(gemm_workspace_bytes(g, threads));
    gemm(g, pool, space.get());
    return out;
  }

  // Rounded operands, and C in bfloat16.
  void run_narrow(const Epilogue& epilogue, std::uint16_t* out) const {
    ThreadPool pool(2);
    const std::vector<std::uint16_t> narrow_a = narrowed(a);
    const std::vector<std::uint16_t> narrow_b = narrowed(b);
    Gemm g{.m = shape.m, .n = shape.n, .k = shape.k, .batch = shape.batch};
    g.a = {nullptr, lda, shape.ta, a_stride, narrow_a.data()};
    g.b = {nullptr, ldb, shape.tb, b_stride, narrow_b.data()};
    g.narrow_c = out;
    g.ldc = ldc;
    g.c_batch_stride = c_stride;
    g.factors = Factors::bf16;
    g.epilogue = epilogue;
    Workspace packed(packed_b_bytes(Factors::bf16, shape.k, shape.n));
    if (shape.packed) {
      pack_b(Factors::bf16, g.b, shape.k, shape.n, pool, packed.floats());
      g.packed_b = packed.floats();
    }
    Workspace space(gemm_workspace_bytes(g, 2));
    gemm(g, pool, space.get());
  }

  // body(place, column) for every element of C.
  template <class Body>
  void for_elements(Body body) const {
    for (std::int64_t s = 0; s < shape.batch; ++s) {
      for (std::int64_t i = 0; i < shape.m; ++i) {
        for (std::int64_t j = 0; j < shape.n; ++j) {
          body(static_cast<std::size_t>(s * c_stride + i * ldc + j), static_cast<std::size_t>(j));
        }
      }
    }
  }

  void check() const {
    for (const Factors factors : {Factors::f32, Factors::bf16}) {
      const std::vector<float> one = run(1, factors);
      const std::string what = shape.text() + (factors == Factors::bf16 ? ", bf16" : "");
      expect_close(one, expected(factors), 1e-6 * (2 + 3 * std::sqrt(static_cast<double>(shape.k))), 1e-6, what);
      for (const int threads : {2, 3, 5}) {
        EXPECT_TRUE(same_bits(one, run(threads, factors))) << what << ", " << threads << " threads";
      }
    }
  }

  Case shape;
  std::int64_t lda, ldb, ldc, a_stride, b_stride, c_stride;
  std::vector<float> a, b, c;
};

class GemmTest : public EachIsa {};
INSTANTIATE_EACH_ISA(GemmTest);

TEST_P(GemmTest, EveryTileEdge) {
  for (const std::int64_t m : {1, 2, 5, 6, 7, 13, 14, 15, 29}) {
    for (const std::int64_t n : {1, 3, 4, 8, 9, 15, 16, 17, 31, 32, 33, 65}) {
      Problem({.m = m, .n = n, .k = 19, .ta = m % 2 == 0, .tb = n % 2 == 0, .slack = n % 3}).check();
    }
  }
}

TEST_P(GemmTest, TransposesStridesAndAccumulation) {
  for (const bool ta : {false, true}) {
    for (const bool tb : {false, true}) {
      for (const bool accumulate : {false, true}) {
        for (const bool packed : {false, true}) {
          Problem(
              {.m = 45, .n = 70, .k = 37, .ta = ta, .tb = tb, .accumulate = accumulate, .packed = packed, .slack = 5})
              .check();
        }
      }
    }
  }
}

TEST_P(GemmTest, DepthsAroundTheBlocks) {
  for (const std::int64_t k : {0, 1, 2, 15, 16, 17, 383, 384, 385, 769, 1100}) {
    for (const bool accumulate : {false, true}) {
      Problem({.m = 17, .n = 40, .k = k, .ta = k % 2 == 1, .tb = k % 3 == 0, .accumulate = accumulate}).check();
      Problem({.m = 17, .n = 40, .k = k, .tb = k % 2 == 0, .accumulate = accumulate, .packed = true}).check();
    }
  }
}

TEST_P(GemmTest, SmallResultsWithLongSumsAreCutIntoChunks) {
  Problem({.m = 33, .n = 20, .k = 4099, .ta = true}).check();
  Problem({.m = 1, .n = 1, .k = 20000, .tb = true, .accumulate = true}).check();
  Problem({.m = 64, .n = 64, .k = 2048, .ta = true, .tb = true}).check();
}

TEST_P(GemmTest, ManyRowsAndColumns) {
  Problem({.m = 301, .n = 150, .k = 64, .tb = true}).check();
  Problem({.m = 20, .n = 2100, .k = 33}).check();
  Problem({.m = 301, .n = 150, .k = 64, .packed = true}).check();
}

TEST_P(GemmTest, LargeBIsPackedInRanges) {
  Problem({.m = 3, .n = 6000, .k = 800, .tb = true}).check();
}

TEST_P(GemmTest, Batches) {
  for (const std::int64_t batch : {2, 3, 4, 13}) {
    Problem({.m = 31, .n = 45, .k = 50, .ta = true, .accumulate = batch == 3, .batch = batch, .slack = 1}).check();
    Problem({.m = 31, .n = 45, .k = 50, .tb = true, .packed = true, .batch = batch}).check();
    Problem({.m = 9, .n = 45, .k = 50, .batch = batch, .shared_b = true}).check();
    Problem({.m = 9, .n = 45, .k = 50, .packed = true, .batch = batch, .shared_b = true}).check();
  }
}

double activated(Activation activation, double x, double leak) {
  switch (activation) {
    case Activation::none: return x;
    case Activation::relu: return std::max(x, 0.0);
    case Activation::gelu: return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Activation::squared_relu: return std::pow(std::max(x, leak * x), 2);
  }
  return 0;
}

// By differences.
double slope_of(Activation activation, double x, double leak) {
  constexpr double kStep = 1e-5;
  return (activated(activation, x + kStep, leak) - activated(activation, x - kStep, leak)) / (2 * kStep);
}

// activation(alpha ab + beta addend + bias) of every way a product is cut up, with rows apart and in place.
TEST_P(GemmTest, EpiloguesAreMadeOfFinishedSums) {
  for (const Case& what :
       {Case{.m = 200, .n = 1100, .k = 5}, Case{.m = 30, .n = 50, .k = 900, .packed = true, .slack = 3},
        Case{.m = 70, .n = 50, .k = 20, .batch = 8}, Case{.m = 30, .n = 50, .k = 2100},
        Case{.m = 64, .n = 64, .k = 700}, Case{.m = 5, .n = 7, .k = 0}}) {
    const Problem problem(what);
    const std::vector<double> sums = problem.expected(Factors::f32);
    const std::vector<float> addend = normals(static_cast<std::int64_t>(problem.c.size()), 8);
    const std::vector<float> bias = normals(what.n, 9);
    for (const Activation activation :
         {Activation::none, Activation::relu, Activation::gelu, Activation::squared_relu}) {
      std::vector<float> before(problem.c.size());
      std::vector<float> want_before(problem.c.size());
      std::vector<double> want(problem.c.begin(), problem.c.end());
      problem.for_elements([&](std::size_t at, std::size_t column) {
        const double x = 0.5 * sums[at] - 2.0 * addend[at] + bias[column];
        want_before[at] = static_cast<float>(x);
        want[at] = activated(activation, x, 0.25);
      });
      const Epilogue epilogue{.alpha = 0.5F, .beta = -2, .addend = addend.data(), .bias = bias.data(),
                              .activation = activation, .leak = 0.25F, .before = before.data()};
      const std::vector<float> one = problem.run(1, Factors::f32, epilogue);
      const double tolerance = activation == Activation::squared_relu ? 2e-3 : 1e-4;  // x^2 is steep
      expect_close(one, want, tolerance, 1e-6, what.text());
      expect_close(before, std::vector<double>(want_before.begin(), want_before.end()), 1e-4, 1e-6, what.text());
      EXPECT_TRUE(same_bits(one, problem.run(3, Factors::f32, epilogue)));
    }
    for (const Activation activation : {Activation::gelu, Activation::squared_relu}) {
      const std::vector<float> at = normals(static_cast<std::int64_t>(problem.c.size()), 10);
      std::vector<double> want(problem.c.begin(), problem.c.end());
      problem.for_elements([&](std::size_t i, std::size_t column) {
        want[i] = (sums[i] + bias[column]) * slope_of(activation, at[i], 0.5);
      });
      const Epilogue epilogue{
          .bias = bias.data(), .activation = activation, .leak = 0.5F, .slope_at = at.data()};
      const std::vector<float> one = problem.run(1, Factors::f32, epilogue);
      expect_close(one, want, 1e-3, 1e-6, what.text());
      EXPECT_TRUE(same_bits(one, problem.run(3, Factors::f32, epilogue)));
    }
    for (const float beta : {0.5F, 3.0F}) {  // the addend is what stands in C
      std::vector<double> want(problem.c.begin(), problem.c.end());
      problem.for_elements([&](std::size_t at, std::size_t column) {
        want[at] = 0.5 * sums[at] + static_cast<double>(beta) * problem.c[at] + bias[column];
      });
      const Epilogue epilogue{.alpha = 0.5F, .beta = beta, .bias = bias.data()};
      const std::vector<float> one = problem.run(1, Factors::f32, epilogue, true);
      expect_close(one, want, 1e-4, 1e-6, what.text());
      EXPECT_TRUE(same_bits(one, problem.run(3, Factors::f32, epilogue, true)));
    }
  }
}

// Near zero, far out and in between: the sum is x alone, then 1 times the slope at x.
TEST_P(GemmTest, GeluAndItsSlopeEverywhere) {
  std::vector<float> x = {0, -0.0F, 1e-30F, -1e-30F, 1e-6F, 1e8F, -1e8F, 300, -300};
  for (float at = -12; at <= 12; at += 0.01F) x.push_back(at);
  const auto n = static_cast<std::int64_t>(x.size());
  const Problem problem({.m = 1, .n = n, .k = 0});
  const std::vector<float> ones(x.size(), 1.0F);
  std::vector<double> want, want_slope;
  for (const float at : x) {
    const double root = std::sqrt(2 / M_PI), wide = at;
    const double gate = 1 / (1 + std::exp(-2 * root * (wide + 0.044715 * wide * wide * wide)));
    want.push_back(wide * gate);
    want_slope.push_back(gate + wide * gate * (1 - gate) * 2 * root * (1 + 3 * 0.044715 * wide * wide));
  }
  const Epilogue of_x{.addend = x.data(), .activation = Activation::gelu};
  expect_close(problem.run(1, Factors::f32, of_x), want, 2e-8, 6e-7, "GELU");
  const Epilogue at_x{.bias = ones.data(), .activation = Activation::gelu, .slope_at = x.data()};
  expect_close(problem.run(1, Factors::f32, at_x), want_slope, 4e-7, 6e-7, "its slope");
}

// Operands and results in bfloat16: the product of the very numbers, rounded once at the end.
TEST_P(GemmTest, NarrowOperandsAndResults) {
  if (!takes_narrow(Factors::bf16)) GTEST_SKIP() << "this instruction set takes no bfloat16 numbers";
  for (const Case& what :
       {Case{.m = 70, .n = 90, .k = 50, .slack = 3}, Case{.m = 33, .n = 64, .k = 1000, .ta = true, .tb = true},
        Case{.m = 600, .n = 48, .k = 64, .ta = true, .packed = true},
        Case{.m = 20, .n = 31, .k = 40, .tb = true, .batch = 6}, Case{.m = 5, .n = 7, .k = 0}}) {
    ASSERT_TRUE(makes_narrow(Factors::bf16, what.k));
    const Problem problem(what);
    const std::vector<double> sums = problem.expected(Factors::bf16);
    const std::vector<float> bias = normals(what.n, 9);
    std::vector<double> want(problem.c.size());
    std::vector<double> want_before(problem.c.size());
    std::vector<std::uint16_t> c(problem.c.size());
    std::vector<std::uint16_t> before(problem.c.size());
    problem.for_elements([&](std::size_t at, std::size_t column) {
      want_before[at] = 2 * sums[at] + bias[column];
      want[at] = std::max(want_before[at], 0.0);
    });
    const Epilogue epilogue{
        .alpha = 2, .bias = bias.data(), .activation = Activation::relu, .narrow_before = before.data()};
    problem.run_narrow(epilogue, c.data());
    const std::vector<std::uint16_t> at = narrowed(normals(static_cast<std::int64_t>(problem.c.size()), 10));
    const std::vector<float> wide_at = widened(at);
    std::vector<double> want_slope(problem.c.size());
    std::vector<std::uint16_t> sloped(problem.c.size());
    problem.for_elements([&](std::size_t i, std::size_t) {
      want_slope[i] = sums[i] * slope_of(Activation::gelu, wide_at[i], 0);
    });
    problem.run_narrow({.activation = Activation::gelu, .narrow_slope_at = at.data()}, sloped.data());
    expect_close(widened(sloped), want_slope, 1e-5, 0.004, what.text());
    // A float32 sum near the middle of two bfloat16 numbers may round to either: 2^-8 apart.
    expect_close(widened(c), want, 1e-5, 0.004, what.text());
    expect_close(widened(before), want_before, 1e-5, 0.004, what.text());
  }
  EXPECT_FALSE(makes_narrow(Factors::bf16, 5000));
  EXPECT_FALSE(takes_narrow(Factors::f32));
}

TEST_P(GemmTest, NanAndInfinityReachTheirRowsAndColumnsOnly) {
  Problem problem({.m = 20, .n = 40, .k = 30});
  problem.a[3 * 30 + 7] = std::numeric_limits<float>::quiet_NaN();
  problem.b[5 * 40 + 33] = std::numeric_limits<float>::infinity();
  const std::vector<float> out = problem.run(2);
  for (std::size_t i = 0; i < 20; ++i) {
    for (std::size_t j = 0; j < 40; ++j) {
      const float value = out[i * 40 + j];
      if (i == 3) {
        EXPECT_TRUE(std::isnan(value)) << i << " " << j;
      } else if (j == 33) {
        // Cut into bfloat16 numbers, an infinity meets zeros.
        EXPECT_TRUE(std::isinf(value) || (GetParam() == Isa::amx && std::isnan(value))) << i << " " << j;
      } else {
        EXPECT_TRUE(std::isfinite(value)) << i << " " << j;
      }
    }
  }
}

TEST_P(GemmTest, EmptyResultsAreLeftAlone) {
  ThreadPool pool(2);
  Gemm g;
  g.k = 5;
  g.n = 3;
  EXPECT_EQ(gemm_workspace_bytes(g, 2), 0U);
  gemm(g, pool, nullptr);
}

}  // namespace
}  // namespace caddie::cpu
