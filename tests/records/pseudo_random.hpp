// The numbers of tests/golden/records/pseudo.py, made again: the finisher of SplitMix64 over (FNV-1a of a name + a
// counter). Pure; any thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace caddie::records {

class PseudoRandom {
 public:
  explicit PseudoRandom(std::string_view name) {
    for (const char letter : name) key_ = (key_ ^ static_cast<unsigned char>(letter)) * 0x100000001B3u;
  }

  // In (-1, 1), exact in float32.
  [[nodiscard]] double number(std::uint64_t i) const {
    constexpr std::int64_t kHalf = std::int64_t{1} << 24;
    const auto high = static_cast<std::int64_t>(word(i) >> 40);
    return static_cast<double>(2 * high + 1 - kHalf) / static_cast<double>(kHalf);
  }

  [[nodiscard]] std::uint64_t word(std::uint64_t i) const {
    std::uint64_t z = key_ + (i + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }

 private:
  std::uint64_t key_ = 0xCBF29CE484222325u;
};

}  // namespace caddie::records
