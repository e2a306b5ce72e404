#include "core/cpu/kernels/vector_math.hpp"

#include <algorithm>

#include "core/cpu/kernels/tables.hpp"

namespace caddie::cpu {

void map(Function f, const float* x, float* y, std::int64_t count) {
  kernels().math->functions[static_cast<int>(f)](x, y, count);
}

void map(Function f, const float* x, float* y, std::int64_t count, ThreadPool& pool) {
  constexpr std::int64_t kStrip = 4096;
  pool.run((count + kStrip - 1) / kStrip, [&](std::int64_t strip) {
    map(f, x + strip * kStrip, y + strip * kStrip, std::min(kStrip, count - strip * kStrip));
  });
}

}  // namespace caddie::cpu
