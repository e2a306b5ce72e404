// A factor as small integers with scales in half precision.
#pragma once

#include <caddie/plugin.hpp>

#include <algorithm>
#include <cmath>

#include "low_rank.hpp"

namespace lqer {

constexpr float kSmallestHalf = 0x1p-24f;  // the smallest scale above zero that half precision can hold

// A factor as codes, with one scale for every `group` entries in row-major order.
struct Packed {
  std::vector<int8_t> codes;
  std::vector<uint16_t> scales;
};

// scale = f16(max|group| / divisor), code = clamp(rnd(x / scale), low, high)
inline Packed pack(const Matrix& factor, std::size_t group, float divisor, float low, float high) {
  Packed packed;
  packed.codes.resize(static_cast<std::size_t>(factor.size()));
  for (std::size_t begin = 0; begin < packed.codes.size(); begin += group) {
    float largest = 0;
    for (std::size_t i = begin; i < begin + group; ++i)
      largest = std::max(largest, std::abs(static_cast<float>(factor.data()[i])));
    const uint16_t half = caddie::to_half(std::max(largest / divisor, kSmallestHalf));
    const float scale = caddie::from_half(half);
    if (!std::isfinite(scale)) throw caddie::Failure("the error of this matrix is too large for scales in half precision");
    packed.scales.push_back(half);
    for (std::size_t i = begin; i < begin + group; ++i) {
      packed.codes[i] =
          static_cast<int8_t>(std::clamp(std::nearbyint(static_cast<float>(factor.data()[i]) / scale), low, high));
    }
  }
  return packed;
}

inline std::vector<float> unpack(const Packed& packed) {
  std::vector<float> values(packed.codes.size());
  const std::size_t group = packed.codes.size() / packed.scales.size();
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(packed.codes[i]) * caddie::from_half(packed.scales[i / group]);
  return values;
}

}  // namespace lqer
