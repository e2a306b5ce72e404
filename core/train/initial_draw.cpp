#include "core/train/initial_draw.hpp"

#include <algorithm>
#include <numeric>

namespace caddie::train {

InitialDraw::InitialDraw(std::vector<plugins::TensorDeclaration> tensors, std::uint64_t seed, int threads)
    : tensors_(std::move(tensors)), seed_(seed), order_(tensors_.size()),
      drawn_(tensors_.size(), std::vector<float>()) {
  std::iota(order_.begin(), order_.end(), std::size_t{0});
  std::ranges::stable_sort(order_, std::greater<>(), [&](std::size_t i) { return tensors_[i].shape.elements(); });
  for (int helper = 1; helper < threads; ++helper) helpers_.emplace_back([this] { work(); });
}

// Helpers that are still at work end with the tensor they are at.
InitialDraw::~InitialDraw() { next_ = order_.size(); }

void InitialDraw::work() {
  for (std::size_t i = next_++; i < order_.size(); i = next_++) {
    drawn_[order_[i]] = initial_values(tensors_[order_[i]], seed_);
  }
}

Result<std::vector<std::vector<float>>> InitialDraw::take() {
  work();
  helpers_.clear();
  std::vector<std::vector<float>> values;
  for (Result<std::vector<float>>& drawn : drawn_) {
    if (!drawn) return drawn.error();
    values.push_back(std::move(*drawn));
  }
  return values;
}

}  // namespace caddie::train
