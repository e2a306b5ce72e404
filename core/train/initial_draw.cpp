#include "core/train/initial_draw.hpp"

#include <algorithm>
#include <functional>
#include <numeric>

namespace caddie::train {

InitialDraw::InitialDraw(std::vector<plugins::TensorDeclaration> tensors, std::uint64_t seed, int threads)
    : tensors_(std::move(tensors)), seed_(seed), failures_(tensors_.size()), order_(tensors_.size()) {
  const auto elements = [&](std::size_t i) { return static_cast<std::size_t>(tensors_[i].shape.elements()); };
  std::iota(order_.begin(), order_.end(), std::size_t{0});
  std::size_t total = 0;
  for (const std::size_t i : order_) total += elements(i);
  memory_ = std::make_unique_for_overwrite<float[]>(total);
  float* at = memory_.get();
  for (const std::size_t i : order_) {
    values_.emplace_back(at, elements(i));
    at += elements(i);
  }
  std::ranges::stable_sort(order_, std::greater<>(), elements);
  for (int helper = 1; helper < threads; ++helper) helpers_.emplace_back([this] { work(); });
}

// Helpers that are still at work end with the tensor they are at.
InitialDraw::~InitialDraw() { next_ = order_.size(); }

void InitialDraw::work() {
  for (std::size_t i = next_++; i < order_.size(); i = next_++) {
    const std::size_t tensor = order_[i];
    const auto drawn = initial_values(tensors_[tensor], seed_);
    if (drawn) {
      std::ranges::copy(*drawn, values_[tensor].begin());
    } else {
      failures_[tensor] = drawn.error();
    }
  }
}

Result<std::vector<std::span<const float>>> InitialDraw::finish() {
  work();
  helpers_.clear();
  for (const Result<void>& done : failures_) {
    if (!done) return done.error();
  }
  return std::vector<std::span<const float>>(values_.begin(), values_.end());
}

}  // namespace caddie::train
