// The initial values of many tensors, drawn by several threads. What a tensor starts from depends on its path and the
// seed alone, so neither on the number of threads nor on who drew it. One thread uses an InitialDraw.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "core/train/initialise.hpp"

namespace caddie::train {

class InitialDraw {
 public:
  // threads - 1 helpers begin at once, so that the caller can do something else meanwhile; it is the remaining one.
  InitialDraw(std::vector<plugins::TensorDeclaration> tensors, std::uint64_t seed, int threads);
  ~InitialDraw();
  InitialDraw(const InitialDraw&) = delete;
  InitialDraw& operator=(const InitialDraw&) = delete;

  // Values of every tensor, in their order, for as long as the draw lives. Takes part until all are there.
  Result<std::vector<std::span<const float>>> finish();

 private:
  void work();

  const std::vector<plugins::TensorDeclaration> tensors_;
  const std::uint64_t seed_;
  // One piece of memory for all: what threads allocate for themselves they keep when it is freed.
  std::unique_ptr<float[]> memory_;
  std::vector<std::span<float>> values_;
  std::vector<Result<void>> failures_;
  std::vector<std::size_t> order_;    // the largest first, so that all end together
  std::atomic<std::size_t> next_{0};  // in order_
  std::vector<std::jthread> helpers_;
};

}  // namespace caddie::train
