// Memory of the states that graphs keep between steps, and of the numbers that change with the step. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/graph/executor.hpp"
#include "core/plugins/build.hpp"
#include "core/train/banks.hpp"

namespace caddie::train {

// Buffers of states by path. States of several programs live together; one path is one state.
class StateStore {
 public:
  explicit StateStore(graph::Executor& executor) : executor_(&executor) {}

  // Makes and initialises states that are not there yet. A state that copies a bank's leaf takes the bank's current
  // values.
  Result<void> add(const std::vector<plugins::TensorDeclaration>& states, const ParameterStore& parameters,
                   std::uint64_t seed);
  // Every state as it was made.
  Result<void> reset(const ParameterStore& parameters, std::uint64_t seed);
  // Ties every state of the list to a program.
  Result<void> bind(graph::Program& program, const std::vector<plugins::TensorDeclaration>& states) const;

  struct Entry {
    plugins::TensorDeclaration declaration;
    graph::BufferPtr buffer;
  };
  [[nodiscard]] const std::map<std::string, Entry>& entries() const { return entries_; }

 private:
  Result<void> initialise(const Entry& entry, const ParameterStore& parameters, std::uint64_t seed);
  graph::Executor* executor_;
  std::map<std::string, Entry> entries_;
};

// f32 scalar inputs of programs.
class ScalarInputs {
 public:
  explicit ScalarInputs(graph::Executor& executor) : executor_(&executor) {}

  // Makes memory for the scalars, once for each name, and ties them to the program.
  Result<void> add(graph::Program& program, const std::vector<plugins::StepScalar>& scalars);
  Result<void> add(graph::Program& program, const plugins::StepScalar& scalar);
  // A scalar the host itself computes.
  Result<void> add(graph::Program& program, const std::string& leaf);
  // Evaluates every plugin's function for this step and uploads; a value that is not finite is an error with its name.
  Result<void> set(const caddie_step& step);
  Result<void> set(const std::string& leaf, float value);

 private:
  struct Entry {
    plugins::StepScalar scalar;
    graph::BufferPtr buffer;
  };
  graph::Executor* executor_;
  std::vector<Entry> entries_;
};

}  // namespace caddie::train
