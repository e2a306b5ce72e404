// Elementary functions over arrays, vectorised. Errors against the exact value, over the whole range unless said
// otherwise: at most 2 units in the last place for exp, log, tanh, rsqrt, sqrt, 4 for sigmoid; sin and cos at most
// 1.5e-7 absolute. Infinities, zeros and NaN as in the C library; exp of large negative numbers underflows gradually.
#pragma once

#include <cstdint>

#include "core/cpu/thread_pool.hpp"

namespace caddie::cpu {

enum class Function { exp, log, tanh, sigmoid, sin, cos, rsqrt, sqrt };
constexpr int kFunctions = 8;

// y[i] = f(x[i]); y may be x. On the calling thread.
void map(Function f, const float* x, float* y, std::int64_t count);

// The same over the pool.
void map(Function f, const float* x, float* y, std::int64_t count, ThreadPool& pool);

}  // namespace caddie::cpu
