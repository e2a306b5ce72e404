// Which optimizer owns which parameter of a run. Plain values; any thread.
#pragma once

#include <span>
#include <vector>

#include "core/base/result.hpp"
#include "core/plugins/build.hpp"
#include "core/plugins/claims.hpp"
#include "core/train/inert.hpp"

namespace caddie::train {

// Parameters of both builds, in the first one's order, then those that only the second has.
std::vector<plugins::TensorDeclaration> joined_parameters(const plugins::BuildResult& first, const plugins::BuildResult& last);

// Index of each parameter's owner among the claimants, or kNoOwner (banks.hpp) for what the manifest allows to have none.
Result<std::vector<int>> parameter_owners(const std::vector<plugins::TensorDeclaration>& parameters,
                                          std::span<const plugins::Claimant> claimants, const InertAllowance& allowance);

}  // namespace caddie::train
