// Clocks, and the machine's ceiling of this moment by them.
#pragma once

#include <ctime>

#include "core/cpu/kernels/ceiling.hpp"

namespace caddie::bench {

inline double clock_seconds(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

inline double wall_seconds() { return clock_seconds(CLOCK_MONOTONIC); }
// Of all threads of the process.
inline double cpu_seconds() { return clock_seconds(CLOCK_PROCESS_CPUTIME_ID); }

inline double probe(cpu::ThreadPool& pool, double (*seconds)() = wall_seconds) {
  return cpu::ceiling_gflops(pool, seconds);
}

}  // namespace caddie::bench
