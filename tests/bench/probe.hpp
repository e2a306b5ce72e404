// The machine's ceiling of this moment: a loop of independent multiply-adds, one per thread.
#pragma once

#include <cstdint>
#include <ctime>

#include "core/cpu/kernels/isa.hpp"
#include "core/cpu/thread_pool.hpp"

namespace caddie::bench {

inline double clock_seconds(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

inline double wall_seconds() { return clock_seconds(CLOCK_MONOTONIC); }
// Of all threads of the process.
inline double cpu_seconds() { return clock_seconds(CLOCK_PROCESS_CPUTIME_ID); }

#if defined(__x86_64__)
// 16 independent chains in registers: acc <- acc * x + y, which moves every chain to and fro around y / (1 - x) with
// all bits of the significand in motion. (Zeros would flatter the machine: they draw less power and so clock higher.)
[[gnu::target("avx512f"), gnu::noinline]] inline void multiply_adds(std::int64_t count, const float* values) {
  asm volatile(
      "vmovups (%1), %%zmm30\n"
      "vmovups 64(%1), %%zmm31\n"
      ".irp r,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
      "vmovups 128(%1), %%zmm\\r\n"
      ".endr\n"
      "1:\n"
      ".irp r,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
      "vfmadd213ps %%zmm31, %%zmm30, %%zmm\\r\n"
      ".endr\n"
      "dec %0\n"
      "jnz 1b\n"
      : "+r"(count)
      : "r"(values)
      : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
        "xmm13", "xmm14", "xmm15", "xmm30", "xmm31", "cc", "memory");
}
#endif

// GFLOP/s of all threads of the pool by the given clock; 0 where there is no probe for the instruction set.
inline double probe(cpu::ThreadPool& pool, double (*seconds)() = wall_seconds) {
#if defined(__x86_64__)
  if (cpu::active_isa() < cpu::Isa::avx512) return 0;
  constexpr std::int64_t kCount = 2000000;
  constexpr double kFlops = 16 * 32;
  float values[48];
  for (int i = 0; i < 16; ++i) {
    values[i] = -0.99999F - 1e-7F * static_cast<float>(i);
    values[16 + i] = 0.7390851F + 0.0137F * static_cast<float>(i);
    values[32 + i] = -1.6180339F + 0.171F * static_cast<float>(i);
  }
  const double start = seconds();
  pool.run(pool.size(), [&](std::int64_t) { multiply_adds(kCount, values); });
  return kFlops * kCount * pool.size() / (seconds() - start) * 1e-9;
#else
  (void)pool;
  (void)seconds;
  return 0;
#endif
}

}  // namespace caddie::bench
