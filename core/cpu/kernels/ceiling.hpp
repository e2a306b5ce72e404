// What the machine can do at most: independent float32 multiply-adds on all threads. For shares in profiles and
// benchmarks. Threads: as the pool.
#pragma once

#include "core/cpu/thread_pool.hpp"

namespace caddie::cpu {

// Seconds of some clock, for measurements that count other things than wall time.
using SecondsFunction = double (*)();

// float32 operations a second, in 10^9, of all threads together, over some milliseconds.
double ceiling_gflops(ThreadPool& pool, SecondsFunction seconds);
// The best of several rounds of wall time.
double ceiling_gflops(int threads);

}  // namespace caddie::cpu
