// The part of the check that calls compute() itself. Inside core/cpu only.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/graph/custom.hpp"

namespace caddie::cpu {

// The four bytes of a number in the type.
std::uint32_t word_of(double number, graph::DType dtype);

// What is wrong with how the kernel computes its parts; empty when nothing is. `types` and `inputs` by input.
std::string wrong_with_parts(const graph::CustomKernel& kernel, std::span<const graph::CustomOutput> types,
                             std::span<const std::vector<double>> inputs);

}  // namespace caddie::cpu
