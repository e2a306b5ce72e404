// Nothing is inert: what has no effect is an error with a name, unless the manifest allows it.
//
// Before training, from the graph alone: blocks that change nothing, loss terms that no parameter feels, parameters without a
// gradient path. Over the first steps, from the numbers: parameters whose gradient stays exactly zero. Plain values; one thread.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/plugins/build.hpp"
#include "core/train/banks.hpp"

namespace caddie::train {

// Globs over names of blocks and paths of parameters; why each is fine stands in the manifest.
class InertAllowance {
 public:
  InertAllowance() = default;
  explicit InertAllowance(std::vector<std::string> globs) : globs_(std::move(globs)) {}
  [[nodiscard]] bool allows(const std::string& name) const;

 private:
  std::vector<std::string> globs_;
};

// Blocks that, in no build given, provided a value, changed one, declared a tensor, or altered the plan; and blocks of
// "loss.term" or "loss.weight" whose change no parameter's gradient feels. One error names them all.
Result<void> check_blocks(const std::vector<std::string>& blocks, const std::vector<const plugins::BuildResult*>& builds,
                          const InertAllowance& allowance);

// Parameters without a path from the loss, one error for all.
Result<void> check_gradient_paths(const std::vector<std::string>& without_gradient, const InertAllowance& allowance);

// Watches gradients over the first steps. Zero-initialised factors (an output projection that starts at zero) keep the gradient
// of what stands before them at zero for a step or two; kSteps steps are enough for such chains.
class GradientWatch {
 public:
  static constexpr int kSteps = 4;

  explicit GradientWatch(const ParameterStore& store) : store_(&store) {}
  // After the gradients of a step are there. Does nothing once kSteps steps were seen.
  Result<void> observe();
  [[nodiscard]] bool finished() const { return steps_ >= kSteps; }
  // Largest |gradient| over the steps seen, by parameter path.
  [[nodiscard]] const std::map<std::string, double>& largest() const { return largest_; }
  // Owned parameters that never had a gradient; one error for all.
  Result<void> check(const InertAllowance& allowance) const;

 private:
  const ParameterStore* store_;
  std::map<std::string, double> largest_;
  int steps_ = 0;
};

}  // namespace caddie::train
