#include "core/graph/random.hpp"

#include <bit>
#include <cmath>

namespace caddie::graph {
namespace {

// The finaliser of SplitMix64 (Steele, Lea and Flood 2014): a bijection that spreads every bit.
std::uint64_t spread(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

// For a fixed first number a bijection of the second.
std::uint64_t mix(std::uint64_t first, std::uint64_t second) { return spread(second ^ spread(first)); }

std::uint32_t low_half(std::uint64_t x) { return static_cast<std::uint32_t>(x); }
std::uint32_t high_half(std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); }

// Two numbers that are computed side by side.
using Two = double __attribute__((vector_size(16)));

constexpr int kLogTerms = 12;
// 1 / (2 i + 1).
constexpr auto kOddReciprocals = [] {
  std::array<double, kLogTerms> terms{};
  for (int i = 0; i < kLogTerms; ++i) terms[static_cast<std::size_t>(i)] = 1.0 / (2 * i + 1);
  return terms;
}();

// x = mantissa 2^exponent, the mantissa in [sqrt(1/2), sqrt(2)).
struct Scaled {
  double mantissa;
  double exponent;
};

// No branch: which half of an octave a random number is in would be guessed wrong half of the time.
Scaled scaled(double x) {
  const auto bits = std::bit_cast<std::uint64_t>(x);
  const double mantissa = std::bit_cast<double>((bits & 0x000FFFFFFFFFFFFFULL) | 0x3FF0000000000000ULL);
  const std::size_t large = mantissa > 1.4142135623730951 ? 1 : 0;
  const int exponent = static_cast<int>((bits >> 52) & 0x7FF) - 1023 + static_cast<int>(large);
  return {mantissa * std::array{1.0, 0.5}[large], static_cast<double>(exponent)};
}

// Natural logarithms of numbers in (0, 1]: of x = m 2^e, ln m = 2 atanh((m-1)/(m+1)) by its series.
Two plain_log(double first, double second) {
  const Scaled a = scaled(first);
  const Scaled b = scaled(second);
  const Two m{a.mantissa, b.mantissa};
  const Two t = (m - 1.0) / (m + 1.0);
  const Two square = t * t;
  Two series = Two{} + kOddReciprocals.back();  // |t| < 0.172: the first term left out is below 1e-19
  for (std::size_t i = kLogTerms - 1; i-- > 0;) series = series * square + kOddReciprocals[i];
  return 2.0 * t * series + Two{a.exponent, b.exponent} * 0.6931471805599453;
}

constexpr int kTurnTerms = 9;
// n (n - 1) and n (n + 1) for n = 18, 16, ... 2: what terms of the cosine's and of the sine's series are divided by.
constexpr auto kTurnDivisors = [] {
  std::array<std::array<double, 2>, kTurnTerms> divisors{};
  for (int i = 0, n = 2 * kTurnTerms; i < kTurnTerms; ++i, n -= 2) {
    divisors[static_cast<std::size_t>(i)] = {static_cast<double>(n * (n - 1)), static_cast<double>(n * (n + 1))};
  }
  return divisors;
}();

// 2 pi (word / 2^32) as quarter turns, found by no branch either, and an angle in [-pi/4, pi/4).
struct Angle {
  explicit Angle(std::uint32_t word) {
    const std::uint32_t shifted = word + 0x20000000U;
    quarter = shifted >> 30;
    const double rest = static_cast<double>(shifted & 0x3FFFFFFFU) - 536870912.0;
    angle = rest * 1.4629180792671596e-09;  // 2 pi / 2^32
  }
  // Of the whole angle, from the Taylor series of cos(angle) and sin(angle) / angle.
  [[nodiscard]] Two cosine_and_sine(Two series) const {
    constexpr std::array<Two, 4> kSigns{Two{1, 1}, Two{-1, 1}, Two{-1, -1}, Two{1, -1}};
    const std::array<double, 2> parts{series[0], series[1] * angle};
    return kSigns[quarter] * Two{parts[quarter & 1], parts[~quarter & 1]};
  }
  std::uint32_t quarter;
  double angle;
};

// Cosine and sine of two angles.
std::array<Two, 2> plain_turns(std::uint32_t first, std::uint32_t second) {
  const Angle a(first);
  const Angle b(second);
  Two of_a{1.0, 1.0};
  Two of_b{1.0, 1.0};
  for (const auto& [cosine, sine] : kTurnDivisors) {
    const Two divisor{cosine, sine};
    of_a = 1.0 - of_a * (a.angle * a.angle) / divisor;
    of_b = 1.0 - of_b * (b.angle * b.angle) / divisor;
  }
  return {a.cosine_and_sine(of_a), b.cosine_and_sine(of_b)};
}

}  // namespace

std::array<std::uint32_t, 4> philox4x32_10(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t left = std::uint64_t{0xD2511F53U} * counter[0];
    const std::uint64_t right = std::uint64_t{0xCD9E8D57U} * counter[2];
    counter = {high_half(right) ^ counter[1] ^ key[0], low_half(right), high_half(left) ^ counter[3] ^ key[1],
               low_half(left)};
    key[0] += 0x9E3779B9U;
    key[1] += 0xBB67AE85U;
  }
  return counter;
}

std::array<std::uint32_t, 4> philox(std::uint64_t seed, std::uint64_t stream, std::uint64_t step, std::uint64_t site,
                                    std::uint64_t block) {
  const std::uint64_t key = mix(seed, stream);
  const std::uint64_t high = mix(site, step);
  return philox4x32_10({low_half(block), high_half(block), low_half(high), high_half(high)},
                       {low_half(key), high_half(key)});
}

std::array<float, 4> uniform_block(const std::array<std::uint32_t, 4>& words) {
  std::array<float, 4> out{};
  for (std::size_t i = 0; i < 4; ++i) out[i] = static_cast<float>(words[i] >> 8) * 0x1p-24F;
  return out;
}

std::array<float, 4> normal_block(const std::array<std::uint32_t, 4>& words) {
  const auto unit = [](std::uint32_t word) { return (static_cast<double>(word) + 1.0) * 0x1p-32; };
  const Two log = plain_log(unit(words[0]), unit(words[2]));
  const std::array<Two, 2> turns = plain_turns(words[1], words[3]);
  const Two first = std::sqrt(-2.0 * log[0]) * turns[0];
  const Two second = std::sqrt(-2.0 * log[1]) * turns[1];
  return {static_cast<float>(first[0]), static_cast<float>(first[1]), static_cast<float>(second[0]),
          static_cast<float>(second[1])};
}

float uniform_at(std::uint64_t seed, std::uint64_t stream, std::uint64_t step, std::uint64_t site,
                 std::uint64_t element) {
  return uniform_block(philox(seed, stream, step, site, element / 4))[element % 4];
}

float normal_at(std::uint64_t seed, std::uint64_t stream, std::uint64_t step, std::uint64_t site,
                std::uint64_t element) {
  return normal_block(philox(seed, stream, step, site, element / 4))[element % 4];
}

float scaled_uniform(float unit, double low, double high) {
  const double span = high - low;
  const auto scaled = static_cast<float>(low + span * static_cast<double>(unit));
  const auto end = static_cast<float>(high);
  return scaled >= end && low < high ? std::nextafter(end, static_cast<float>(low)) : scaled;
}

float scaled_normal(float unit, double mean, double std) {
  return static_cast<float>(mean + std * static_cast<double>(unit));
}

}  // namespace caddie::graph
