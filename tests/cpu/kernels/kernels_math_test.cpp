#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "core/cpu/kernels/vector_math.hpp"
#include "tests/cpu/kernels/support.hpp"

namespace caddie::cpu {
namespace {

using namespace caddie::cpu::testing;

class MathTest : public EachIsa {
 protected:
  static std::vector<float> mapped(Function f, const std::vector<float>& x) {
    std::vector<float> y(x.size());
    map(f, x.data(), y.data(), static_cast<std::int64_t>(x.size()));
    return y;
  }

  // Largest error in units in the last place of the exact result (of the smallest normal number below that).
  static double worst_ulp(Function f, const std::vector<float>& x, const std::function<double(double)>& exact) {
    const std::vector<float> y = mapped(f, x);
    double worst = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double want = exact(x[i]);
      const double magnitude = std::max(std::abs(want), static_cast<double>(std::numeric_limits<float>::min()));
      const double ulp = std::ldexp(1.0, std::ilogb(magnitude) - 23);
      worst = std::max(worst, std::abs(y[i] - want) / ulp);
    }
    return worst;
  }

  static std::vector<float> range(float low, float high, int count = 100001) {
    std::vector<float> x(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
      x[static_cast<std::size_t>(i)] = low + (high - low) * static_cast<float>(i) / static_cast<float>(count - 1);
    }
    return x;
  }

  static std::vector<float> powers(float low, float high) {
    std::vector<float> x;
    for (float v = low; v < high; v = std::max(v * 1.00037F, std::nextafter(v, high))) x.push_back(v);
    return x;
  }
};
INSTANTIATE_EACH_ISA(MathTest);

TEST_P(MathTest, ErrorsAreWithinTheirBounds) {
  EXPECT_LE(worst_ulp(Function::exp, range(-87.3F, 88.7F), [](double v) { return std::exp(v); }), 2.0);
  EXPECT_LE(worst_ulp(Function::exp, range(-103, -87), [](double v) { return std::exp(v); }), 1.0);
  EXPECT_LE(worst_ulp(Function::log, powers(1e-41F, 3e38F), [](double v) { return std::log(v); }), 2.0);
  EXPECT_LE(worst_ulp(Function::log, range(0.5F, 2.0F), [](double v) { return std::log(v); }), 2.0);
  EXPECT_LE(worst_ulp(Function::tanh, range(-12, 12), [](double v) { return std::tanh(v); }), 2.2);
  EXPECT_LE(worst_ulp(Function::tanh, powers(1e-30F, 1.0F), [](double v) { return std::tanh(v); }), 2.2);
  EXPECT_LE(worst_ulp(Function::sigmoid, range(-80, 40), [](double v) { return 1 / (1 + std::exp(-v)); }), 4.0);
  EXPECT_LE(worst_ulp(Function::rsqrt, powers(1e-37F, 3e38F), [](double v) { return 1 / std::sqrt(v); }), 2.0);
  EXPECT_LE(worst_ulp(Function::sqrt, powers(1e-37F, 3e38F), [](double v) { return std::sqrt(v); }), 0.5001);
}

TEST_P(MathTest, AnglesNearAndFar) {
  for (const auto& x : {range(-10, 10), range(-8192, 8192), powers(8000.0F, 1e9F)}) {
    const std::vector<float> sine = mapped(Function::sin, x);
    const std::vector<float> cosine = mapped(Function::cos, x);
    for (std::size_t i = 0; i < x.size(); ++i) {
      ASSERT_NEAR(sine[i], std::sin(static_cast<double>(x[i])), 1.5e-7) << x[i];
      ASSERT_NEAR(cosine[i], std::cos(static_cast<double>(x[i])), 1.5e-7) << x[i];
    }
  }
}

TEST_P(MathTest, SpecialValues) {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> x{0.0F, -0.0F, inf, -inf, nan, -1.0F};
  const std::vector<float> e = mapped(Function::exp, x);
  EXPECT_EQ(e[0], 1.0F);
  EXPECT_EQ(e[2], inf);
  EXPECT_EQ(e[3], 0.0F);
  EXPECT_TRUE(std::isnan(e[4]));
  const std::vector<float> l = mapped(Function::log, x);
  EXPECT_EQ(l[0], -inf);
  EXPECT_EQ(l[1], -inf);
  EXPECT_EQ(l[2], inf);
  EXPECT_TRUE(std::isnan(l[3]) && std::isnan(l[4]) && std::isnan(l[5]));
  const std::vector<float> t = mapped(Function::tanh, x);
  EXPECT_EQ(t[0], 0.0F);
  EXPECT_TRUE(std::signbit(t[1]));
  EXPECT_EQ(t[2], 1.0F);
  EXPECT_EQ(t[3], -1.0F);
  EXPECT_TRUE(std::isnan(t[4]));
  const std::vector<float> s = mapped(Function::sigmoid, x);
  EXPECT_EQ(s[0], 0.5F);
  EXPECT_EQ(s[2], 1.0F);
  EXPECT_EQ(s[3], 0.0F);
  EXPECT_TRUE(std::isnan(s[4]));
  for (const Function f : {Function::sin, Function::cos}) {
    const std::vector<float> c = mapped(f, x);
    EXPECT_TRUE(std::isnan(c[2]) && std::isnan(c[3]) && std::isnan(c[4]));
  }
  const std::vector<float> r = mapped(Function::rsqrt, x);
  EXPECT_EQ(r[0], inf);
  EXPECT_EQ(r[2], 0.0F);
  EXPECT_TRUE(std::isnan(r[4]) && std::isnan(r[5]));
}

TEST_P(MathTest, AnyLengthInPlaceAndOverThreads) {
  for (const std::int64_t n : {0, 1, 3, 7, 8, 15, 17, 33, 5000, 10001}) {
    const std::vector<float> x = normals(n, 9);
    const std::vector<float> want = mapped(Function::tanh, x);
    std::vector<float> one = x;
    map(Function::tanh, one.data(), one.data(), n);
    EXPECT_TRUE(same_bits(one, want));
    ThreadPool pool(3);
    std::vector<float> many = x;
    map(Function::tanh, many.data(), many.data(), n, pool);
    EXPECT_TRUE(same_bits(many, want));
    for (std::int64_t i = 0; i < n; ++i) {
      EXPECT_NEAR(one[static_cast<std::size_t>(i)], std::tanh(x[static_cast<std::size_t>(i)]), 2e-7);
    }
  }
}

}  // namespace
}  // namespace caddie::cpu
