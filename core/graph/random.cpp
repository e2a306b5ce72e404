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

constexpr int kLogTerms = 12;
// 1 / (2 i + 1).
constexpr auto kOddReciprocals = [] {
  std::array<double, kLogTerms> terms{};
  for (int i = 0; i < kLogTerms; ++i) terms[static_cast<std::size_t>(i)] = 1.0 / (2 * i + 1);
  return terms;
}();

// Natural logarithm of x in (0, 1]: x = m 2^e with m in [sqrt(1/2), sqrt(2)), ln m = 2 atanh((m-1)/(m+1)) by its
// series.
double plain_log(double x) {
  const auto bits = std::bit_cast<std::uint64_t>(x);
  const double mantissa = std::bit_cast<double>((bits & 0x000FFFFFFFFFFFFFULL) | 0x3FF0000000000000ULL);
  const bool large = mantissa > 1.4142135623730951;  // by chance: no branch that would be guessed wrong half of the time
  const double m = mantissa * std::array{1.0, 0.5}[large ? 1 : 0];
  const int exponent = static_cast<int>((bits >> 52) & 0x7FF) - 1023 + (large ? 1 : 0);
  const double t = (m - 1.0) / (m + 1.0);
  const double square = t * t;
  double series = kOddReciprocals.back();  // |t| < 0.172: the first term left out is below 1e-19
  for (std::size_t i = kLogTerms - 1; i-- > 0;) series = series * square + kOddReciprocals[i];
  return 2.0 * t * series + exponent * 0.6931471805599453;
}

struct Turn {
  double cosine;
  double sine;
};

using Two = double __attribute__((vector_size(16)));

constexpr int kTurnTerms = 9;
// n (n - 1) and n (n + 1) for n = 18, 16, ... 2: what terms of the cosine's and of the sine's series are divided by.
constexpr auto kTurnDivisors = [] {
  std::array<std::array<double, 2>, kTurnTerms> divisors{};
  for (int i = 0, n = 2 * kTurnTerms; i < kTurnTerms; ++i, n -= 2) {
    divisors[static_cast<std::size_t>(i)] = {static_cast<double>(n * (n - 1)), static_cast<double>(n * (n + 1))};
  }
  return divisors;
}();

// Cosine and sine of 2 pi (word / 2^32): the quarter turn from the top bits, the rest by Taylor series on [-pi/4,
// pi/4). Both series run side by side, and quarters are told apart without branches: they come by chance.
Turn plain_turn(std::uint32_t word) {
  const std::uint32_t shifted = word + 0x20000000U;
  const std::uint32_t quarter = shifted >> 30;
  const double rest = static_cast<double>(shifted & 0x3FFFFFFFU) - 536870912.0;
  const double angle = rest * 1.4629180792671596e-09;  // 2 pi / 2^32
  const double square = angle * angle;
  Two series{1.0, 1.0};
  for (const auto& [cosine, sine] : kTurnDivisors) series = 1.0 - series * square / Two{cosine, sine};
  const std::array<double, 2> first{series[0], series[1] * angle};
  constexpr std::array<double, 4> kCosineSigns{1, -1, -1, 1};
  constexpr std::array<double, 4> kSineSigns{1, 1, -1, -1};
  return {kCosineSigns[quarter] * first[quarter & 1], kSineSigns[quarter] * first[~quarter & 1]};
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
  std::array<float, 4> out{};
  for (std::size_t i = 0; i < 4; i += 2) {
    const double unit = (static_cast<double>(words[i]) + 1.0) * 0x1p-32;
    const double radius = std::sqrt(-2.0 * plain_log(unit));
    const Turn turn = plain_turn(words[i + 1]);
    out[i] = static_cast<float>(radius * turn.cosine);
    out[i + 1] = static_cast<float>(radius * turn.sine);
  }
  return out;
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
