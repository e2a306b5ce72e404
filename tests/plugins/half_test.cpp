// Half precision of the SDK against the definition of binary16.
#include <gtest/gtest.h>

#include <caddie/quantizer.hpp>
#include <cmath>
#include <limits>
#include <random>

namespace caddie {
namespace {

constexpr std::uint32_t kInfinity = 0x7C00;

// sign * mantissa * 2^exponent, from the fields.
double half_by_definition(std::uint32_t half) {
  const int exponent = static_cast<int>((half >> 10) & 31);
  const double mantissa = half & 1023;
  const double magnitude = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return (half & 0x8000) != 0 ? -magnitude : magnitude;
}

TEST(Half, EveryValueGoesThereAndBack) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float value = from_half(half);
    if ((bits & 0x7FFF) > kInfinity) {
      ASSERT_TRUE(std::isnan(value)) << bits;
      ASSERT_TRUE(std::isnan(from_half(to_half(value)))) << bits;
      continue;
    }
    if ((bits & 0x7FFF) == kInfinity) {
      ASSERT_TRUE(std::isinf(value) && std::signbit(value) == (bits != kInfinity));
    } else {
      ASSERT_EQ(static_cast<double>(value), half_by_definition(bits)) << bits;
      ASSERT_EQ(std::signbit(value), (bits & 0x8000) != 0) << bits;
    }
    ASSERT_EQ(to_half(value), half) << bits;
  }
}

// Between two neighbours everything goes to the nearer one, the middle to the even one.
TEST(Half, RoundsToNearestEven) {
  for (std::uint32_t low = 0; low < kInfinity; ++low) {
    const std::uint32_t high = low + 1;  // after the largest comes infinity, as if it were 65536
    const auto middle =
        static_cast<float>((half_by_definition(low) + (high == kInfinity ? 65536.0 : half_by_definition(high))) / 2);
    const std::uint32_t even = (low & 1) == 0 ? low : high;
    const float below = std::nextafter(middle, 0.0F);
    const float above = std::nextafter(middle, std::numeric_limits<float>::infinity());
    for (const std::uint32_t sign : {0u, 0x8000u}) {
      const float factor = sign == 0 ? 1.0F : -1.0F;
      ASSERT_EQ(to_half(factor * middle), even | sign) << low;
      ASSERT_EQ(to_half(factor * below), low | sign) << low;
      ASSERT_EQ(to_half(factor * above), high | sign) << low;
    }
  }
}

TEST(Half, ExtremeValues) {
  EXPECT_EQ(to_half(std::numeric_limits<float>::max()), kInfinity);
  EXPECT_EQ(to_half(-std::numeric_limits<float>::infinity()), 0xFC00);
  EXPECT_EQ(to_half(std::numeric_limits<float>::denorm_min()), 0);
  EXPECT_EQ(to_half(-std::numeric_limits<float>::denorm_min()), 0x8000);
  EXPECT_EQ(to_half(65519.996F), 0x7BFF);
  EXPECT_EQ(to_half(65520.0F), kInfinity);
  EXPECT_TRUE(std::isnan(from_half(to_half(std::numeric_limits<float>::quiet_NaN()))));
}

TEST(Half, NoValueIsFurtherAwayThanHalfAStep) {
  std::mt19937 random(11);
  std::uniform_real_distribution<float> exponent(-26, 16);
  for (int i = 0; i < 200000; ++i) {
    const float value = std::exp2(exponent(random)) * ((i & 1) != 0 ? -1.0F : 1.0F);
    if (std::abs(value) >= 65520) continue;
    const int scale = std::max(std::ilogb(value), -14) - 10;
    ASSERT_LE(std::abs(static_cast<double>(from_half(to_half(value))) - static_cast<double>(value)),
              std::ldexp(0.5, scale))
        << value;
  }
}

}  // namespace
}  // namespace caddie
