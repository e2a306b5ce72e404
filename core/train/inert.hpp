// Nothing is inert: what has no effect is an error with a name, unless the manifest allows it.
//
// Before training, from the graph alone: blocks that change nothing, loss terms that no parameter feels, parameters
// without a gradient path. Over the first steps in which a parameter takes part, from the numbers: gradients that stay
// exactly zero. Plain values; one thread.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
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
Result<void> check_blocks(const std::vector<std::string>& blocks,
                          const std::vector<const plugins::BuildResult*>& builds, const InertAllowance& allowance);

// Parameters without a path from the loss, one error for all.
Result<void> check_gradient_paths(const std::vector<std::string>& without_gradient, const InertAllowance& allowance);

// Averagers that hand on what they were given, one error for all.
Result<void> check_averagers(const std::vector<std::string>& without_effect, const InertAllowance& allowance);

// Watches gradients over the first steps. Zero-initialised factors (an output projection that starts at zero) keep the
// gradient of what stands before them at zero for a step or two; kSteps steps are enough for such chains.
class GradientWatch {
 public:
  static constexpr int kSteps = 4;

  explicit GradientWatch(const ParameterStore& store) : store_(&store) {}
  // After the gradients of a step are there: looks at these parameters, each over the first kSteps steps it is named
  // for.
  Result<void> observe(const std::vector<std::string>& paths);
  // Whether observe() still looks at one of these.
  [[nodiscard]] bool looks_at(const std::vector<std::string>& paths) const;
  // What was seen so far, for a checkpoint.
  [[nodiscard]] nlohmann::json to_json() const;
  Result<void> load(const nlohmann::json& json);
  // Sum of squares of each gradient as it was last looked at.
  [[nodiscard]] std::map<std::string, double> squares() const;
  // Parameters that had no gradient in kSteps steps; one error for all.
  Result<void> check(const InertAllowance& allowance) const;

 private:
  struct Seen {
    int steps = 0;
    double largest = 0;  // |gradient|
    double squares = 0;  // their sum, as of the last step
  };
  const ParameterStore* store_;
  std::map<std::string, Seen> seen_;
};

}  // namespace caddie::train
