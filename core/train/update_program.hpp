// The program that turns gradients into new parameters: global clipping, every optimizer's update of its banks, and the
// averagers' bookkeeping, as one graph. One thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/graph/executor.hpp"
#include "core/plugins/object.hpp"
#include "core/train/banks.hpp"
#include "core/train/states.hpp"

namespace caddie::train {

// Builds the new value of one bank: an optimizer's update, or a test-time strategy's.
using UpdateFunction =
    std::function<caddie_code(caddie_build*, const caddie_update*, caddie_value* parameter, caddie_error*)>;

// What owns banks: the name is the manifest's, states are kept under it.
struct UpdateOwner {
  std::string name;
  UpdateFunction update;
};

// Wraps an optimizer object.
UpdateOwner optimizer_owner(const plugins::Object& optimizer);

class UpdateProgram {
 public:
  struct Options {
    double clip_norm = 0;  // 0: no clipping. c = min(1, clip / (norm + 1e-6)) over all gradients
    std::uint64_t seed = 0;
    plugins::Dims dims;
  };

  // owners[i] updates the banks whose owner is i; averagers may be empty.
  static Result<std::unique_ptr<UpdateProgram>> make(graph::Executor& executor, ParameterStore& parameters,
                                                     StateStore& states, const std::vector<UpdateOwner>& owners,
                                                     const std::vector<const plugins::Object*>& averagers,
                                                     const Options& options);

  // step.scale is the schedule's scale of this step.
  Result<void> run(const caddie_step& step, const graph::RunKey& key);
  // Norm of all gradients before clipping, of the last run.
  Result<double> gradient_norm() const;
  [[nodiscard]] graph::Program& program() { return *program_; }
  [[nodiscard]] std::size_t program_arena() const { return program_->arena_bytes(); }

 private:
  explicit UpdateProgram(graph::Executor& executor) : executor_(&executor), scalars_(executor) {}

  graph::Executor* executor_;
  std::unique_ptr<graph::Program> program_;
  ScalarInputs scalars_;
  graph::BufferPtr norm_;
};

// Averagers whose final weights are what they were given.
Result<std::vector<std::string>> averagers_without_effect(const ParameterStore& parameters,
                                                          const std::vector<const plugins::Object*>& averagers,
                                                          const UpdateProgram::Options& options);

// The weights the averagers end with, as buffers shaped like the store's banks; the parameters themselves without
// averagers.
Result<std::vector<graph::BufferPtr>> averaged_values(graph::Executor& executor, const ParameterStore& parameters,
                                                      StateStore& states,
                                                      const std::vector<const plugins::Object*>& averagers,
                                                      const caddie_step& step, const UpdateProgram::Options& options);

}  // namespace caddie::train
