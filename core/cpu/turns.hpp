// Threads that do something one after the other, in the order of their numbers 0, 1, 2, ...
#pragma once

#include <atomic>
#include <cstdint>

#include "core/cpu/thread_pool.hpp"

namespace caddie::cpu {

class Turns {
 public:
  // While nobody waits.
  void reset() { turn_.store(0, std::memory_order_relaxed); }

  // Returns when all numbers below `number` have passed; what they have written can be read.
  void await(std::uint32_t number) const {
    std::uint32_t now = turn_.load(std::memory_order_acquire);
    while (now != number) now = await_change(turn_, now);
  }
  void pass() {
    turn_.fetch_add(1, std::memory_order_release);
    turn_.notify_all();
  }

 private:
  std::atomic<std::uint32_t> turn_{0};
};

}  // namespace caddie::cpu
