// The program that runs a model forward and backward for one batch and leaves each parameter's gradient in its bank.
// One thread. The model, the stores and the executor must outlive it.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/graph/executor.hpp"
#include "core/plugins/model.hpp"
#include "core/train/banks.hpp"
#include "core/train/states.hpp"

namespace caddie::train {

// One batch on the host, [rows, context] each; segments may be empty.
struct TokenBatch {
  std::vector<std::int32_t> tokens;
  std::vector<std::int32_t> targets;
  std::vector<std::int32_t> segments;
};

// What the loss says after a run.
struct LossReport {
  double loss = 0;  // what training minimises
  double nll = 0;   // plain mean of -log p(target), nats per token
};

class GradientProgram {
 public:
  struct Options {
    plugins::BuildRequest request;  // train or adapt
    std::uint64_t seed = 0;
    int accumulate = 1;             // batches whose gradients are averaged into one
  };

  // Builds, differentiates and compiles. Owned parameters of the store without a gradient path are named in
  // without_gradient().
  static Result<std::unique_ptr<GradientProgram>> make(graph::Executor& executor, const plugins::Model& model,
                                                       ParameterStore& parameters, StateStore& states,
                                                       const Options& options);

  // Number `part` of `accumulate` batches of one step: gradients of part 0 replace, later ones add, each times
  // 1/accumulate.
  Result<void> run(const TokenBatch& batch, const caddie_step& step, int part, const graph::RunKey& key);
  // Waits for the last run.
  Result<LossReport> report() const;

  // Owned parameters whose gradients a run leaves in their banks.
  [[nodiscard]] const std::vector<std::string>& with_gradient() const { return with_gradient_; }
  [[nodiscard]] const std::vector<std::string>& without_gradient() const { return without_gradient_; }
  [[nodiscard]] const plugins::BuildResult& build() const { return build_; }
  [[nodiscard]] graph::Program& program() { return *program_; }
  [[nodiscard]] const graph::Program& program() const { return *program_; }
  [[nodiscard]] std::size_t program_arena() const { return program_->arena_bytes(); }

 private:
  GradientProgram(graph::Executor& executor) : executor_(&executor), scalars_(executor) {}
  Result<void> emit_gradients(const ParameterStore& parameters);
  Result<void> bind(ParameterStore& parameters, StateStore& states);

  graph::Executor* executor_;
  Options options_;
  plugins::BuildResult build_;
  std::unique_ptr<graph::Program> program_;
  ScalarInputs scalars_;
  std::vector<std::string> with_gradient_;
  std::vector<std::string> without_gradient_;
  graph::BufferPtr tokens_, targets_, segments_, loss_, nll_;
};

// The store's parameters in this build, or an error that names one the store does not have.
Result<void> bind_parameters(graph::Program& program, const plugins::BuildResult& build,
                             const ParameterStore& parameters);

}  // namespace caddie::train
