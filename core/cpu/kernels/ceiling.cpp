#include "core/cpu/kernels/ceiling.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>

#include "core/cpu/kernels/tables.hpp"

namespace caddie::cpu {
namespace {

constexpr std::int64_t kRounds = 1000000;
constexpr int kRepeats = 8;

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

double ceiling_gflops(ThreadPool& pool, SecondsFunction seconds) {
  std::atomic<double> operations{0};
  const double start = seconds();
  pool.run(pool.size(), [&](std::int64_t) {
    float result = 0;
    const double done = kernels().ceiling->multiply_adds(kRounds, &result);
    operations += result == result ? done : 0;  // uses the result
  });
  return operations / (seconds() - start) * 1e-9;
}

double ceiling_gflops(int threads) {
  ThreadPool pool(threads);
  double best = 0;
  for (int i = 0; i < kRepeats; ++i) best = std::max(best, ceiling_gflops(pool, wall_seconds));
  return best;
}

}  // namespace caddie::cpu
