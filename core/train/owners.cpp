#include "core/train/owners.hpp"

#include <algorithm>

#include "core/train/banks.hpp"

namespace caddie::train {

std::vector<plugins::TensorDeclaration> joined_parameters(const plugins::BuildResult& first, const plugins::BuildResult& last) {
  std::vector<plugins::TensorDeclaration> all = first.parameters;
  for (const plugins::TensorDeclaration& tensor : last.parameters) {
    const bool known =
        std::ranges::any_of(all, [&](const plugins::TensorDeclaration& other) { return other.path == tensor.path; });
    if (!known) all.push_back(tensor);
  }
  return all;
}

Result<std::vector<int>> parameter_owners(const std::vector<plugins::TensorDeclaration>& parameters,
                                          std::span<const plugins::Claimant> claimants, const InertAllowance& allowance) {
  std::vector<std::size_t> to_assign;
  std::vector<plugins::TensorKey> keys;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const plugins::TensorDeclaration& tensor = parameters[i];
    const plugins::TensorKey key{tensor.path, tensor.role, tensor.layer, tensor.shape.elements()};
    const bool claimed =
        std::ranges::any_of(claimants, [&](const plugins::Claimant& claimant) { return claimant.claims.matches(key); });
    if (allowance.allows(tensor.path) && !claimed) continue;
    to_assign.push_back(i);
    keys.push_back(key);
  }
  const auto owners = plugins::assign_owners(keys, claimants, "optimizer");
  if (!owners) return owners.error();
  std::vector<int> owner(parameters.size(), kNoOwner);
  for (std::size_t k = 0; k < to_assign.size(); ++k) owner[to_assign[k]] = static_cast<int>((*owners)[k]);
  return owner;
}

}  // namespace caddie::train
