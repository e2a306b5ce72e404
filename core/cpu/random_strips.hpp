// Strips of the counter-based random fields of core/graph/random.hpp. Pure functions; any thread.
#pragma once

#include <cstdint>

#include "core/graph/executor.hpp"

namespace caddie::cpu {

struct RandomField {
  graph::RunKey key;
  std::uint64_t site = 0;
  double first = 0;   // low or mean
  double second = 1;  // high or standard deviation
};

// Elements [first, first + n) of a field.
void draw_uniform(const RandomField& field, std::int64_t first, std::int64_t n, float* out);
void draw_normal(const RandomField& field, std::int64_t first, std::int64_t n, float* out);

}  // namespace caddie::cpu
