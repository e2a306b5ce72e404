// The order in which windows are drawn, apart from where random numbers and tokens come from.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

namespace coprime {

// Where random choices come from.
class Draws {
 public:
  virtual ~Draws() = default;
  // A whole number in [0, n), n > 0.
  virtual uint64_t below(uint64_t n) = 0;
  // A number in [0, 1).
  virtual double unit() = 0;

  // Fisher and Yates, from the end.
  template <class T>
  void shuffle(std::vector<T>& list) {
    for (std::size_t i = list.size(); i > 1; --i) std::swap(list[i - 1], list[below(i)]);
  }
};

// One walk through a shard of n tokens in windows of L + 1: window j begins at
// phase + L ((start + j stride) mod blocks). The stride has no divisor in common with the number of blocks, so every
// block comes up once.
struct Walk {
  uint64_t phase = 0, blocks = 0, start = 0, stride = 1;
  uint64_t next = 0;  // j; as large as blocks: the walk is over, or has not begun

  static Walk draw(uint64_t n, uint64_t L, Draws& draws) {  // n > L
    Walk walk;
    walk.phase = draws.below(std::min(L - 1, n - L - 1) + 1);
    walk.blocks = (n - 1 - walk.phase) / L;
    if (walk.blocks <= 1) return walk;
    walk.start = draws.below(walk.blocks);
    do {
      walk.stride = 1 + draws.below(walk.blocks - 1);
    } while (std::gcd(walk.stride, walk.blocks) != 1);
    return walk;
  }
  [[nodiscard]] uint64_t window(uint64_t L) const { return phase + L * ((start + next * stride) % blocks); }
  [[nodiscard]] uint64_t remaining() const { return blocks - next; }
};

// How a batch is spread: the sampling exponent falls and the number of shards rises over the first `ramp` batches.
struct Spread {
  double exponent_first = 0.9, exponent_last = 0.5;
  uint64_t low = 8, high = 64, ramp = 1800;

  [[nodiscard]] double progress(uint64_t batch) const {
    return ramp == 0 ? 1 : std::min(static_cast<double>(batch) / static_cast<double>(ramp), 1.0);
  }
  [[nodiscard]] double exponent(uint64_t batch) const {
    return exponent_first + (exponent_last - exponent_first) * progress(batch);
  }
  // Of S shards, for Q windows.
  [[nodiscard]] uint64_t shards(uint64_t batch, uint64_t S, uint64_t Q) const {
    const double from = static_cast<double>(std::min({low, S, Q}));
    const double to = static_cast<double>(std::min({high, S, Q}));
    const auto wanted = static_cast<uint64_t>(std::nearbyint(from + progress(batch) * (to - from)));
    return std::clamp<uint64_t>(wanted, 1, std::min(S, Q));
  }
};

// The larger what remains of a shard, the likelier it is drawn: max(remaining, 1)^exponent. Sums to 1.
inline std::vector<double> shares(const std::vector<uint64_t>& remaining, double exponent) {
  std::vector<double> shares;
  for (const uint64_t count : remaining) {
    shares.push_back(std::pow(static_cast<double>(std::max<uint64_t>(count, 1)), exponent));
  }
  const double total = std::accumulate(shares.begin(), shares.end(), 0.0);
  for (double& share : shares) share /= total;
  return shares;
}

// An index, each as likely as its weight. Weights are >= 0 and not all 0.
inline std::size_t pick(const std::vector<double>& weights, Draws& draws) {
  double left = draws.unit() * std::accumulate(weights.begin(), weights.end(), 0.0);
  std::size_t last = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] <= 0) continue;
    last = i;
    left -= weights[i];
    if (left < 0) break;
  }
  return last;
}

// How many of Q windows each shard gives: k distinct shards drawn by their shares give one each, and the other Q - k
// fall on those shards by their shares among themselves. In the order drawn.
struct Portion {
  std::size_t shard = 0;
  uint64_t windows = 0;
};
inline std::vector<Portion> portions(std::vector<double> shares, uint64_t k, uint64_t Q, Draws& draws) {
  std::vector<Portion> portions;
  std::vector<double> own;
  while (portions.size() < k) {
    const std::size_t shard = pick(shares, draws);
    portions.push_back({shard, 1});
    own.push_back(shares[shard]);
    shares[shard] = 0;
  }
  for (uint64_t i = k; i < Q; ++i) ++portions[pick(own, draws)].windows;
  return portions;
}

// Takes one window from the end of every bucket that has one, in a fresh order each time around, until all are empty.
template <class T>
std::vector<T> interleave(std::vector<std::vector<T>> buckets, Draws& draws) {
  std::vector<std::size_t> filled;
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    if (!buckets[i].empty()) filled.push_back(i);
  }
  std::vector<T> result;
  while (!filled.empty()) {
    draws.shuffle(filled);
    for (const std::size_t bucket : filled) {
      result.push_back(buckets[bucket].back());
      buckets[bucket].pop_back();
    }
    std::erase_if(filled, [&](std::size_t bucket) { return buckets[bucket].empty(); });
  }
  return result;
}

}  // namespace coprime
