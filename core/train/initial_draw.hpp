// The initial values of many tensors, drawn by several threads. What a tensor starts from depends on its path and the
// seed alone, so neither on the number of threads nor on who drew it. One thread uses an InitialDraw.
#pragma once

#include <atomic>
#include <cstdint>
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

  // Values of every tensor, in their order. Takes part until all are there; once.
  Result<std::vector<std::vector<float>>> take();

 private:
  void work();

  const std::vector<plugins::TensorDeclaration> tensors_;
  const std::uint64_t seed_;
  std::vector<std::size_t> order_;  // the largest first, so that all end together
  std::vector<Result<std::vector<float>>> drawn_;
  std::atomic<std::size_t> next_{0};  // in order_
  std::vector<std::jthread> helpers_;
};

}  // namespace caddie::train
