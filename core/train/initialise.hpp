// Initial values of parameters and states: a pure function of the run's seed and the tensor's path, so that adding a
// block changes no other tensor. Any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/result.hpp"
#include "core/plugins/build.hpp"

namespace caddie::train {

// One value for each element, row-major. A state that starts as a copy is not for this function.
Result<std::vector<float>> initial_values(const plugins::TensorDeclaration& tensor, std::uint64_t seed);

// rows x columns with orthonormal rows or columns, whichever are fewer (Saxe et al. 2013, arXiv:1312.6120): Q of the QR
// decomposition of a Gaussian matrix, signs fixed by the diagonal of R. `gaussian` has rows * columns entries.
std::vector<float> orthogonal_matrix(std::int64_t rows, std::int64_t columns, double gain,
                                     const std::vector<float>& gaussian);

}  // namespace caddie::train
