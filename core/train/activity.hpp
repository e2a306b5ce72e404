// How much the blocks of a model do: by how much each changes the value of its hooks, measured with the weights of now on
// the start of a batch. A block that is wired up but does nothing shows here, and one that tears the stream apart too.
// One thread; executor and stores must outlive it.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/graph/executor.hpp"
#include "core/plugins/model.hpp"
#include "core/train/banks.hpp"
#include "core/train/gradient_program.hpp"
#include "core/train/states.hpp"

namespace caddie::train {

// Of one block at one hook.
struct HookActivity {
  std::string block;
  std::string hook;
  double change = 0;  // |out - in| / |in| over all its calls; what it hands on as it is does not count, nor do other shapes
};

// A forward program over the first row's first tokens that measures every call of every block. It updates no state.
class ActivityProbe {
 public:
  static constexpr std::int64_t kTokens = 1024;  // at most so many

  static Result<std::unique_ptr<ActivityProbe>> make(graph::Executor& executor, const plugins::Model& model,
                                                     const plugins::BuildRequest& request, const ParameterStore& parameters,
                                                     StateStore& states, std::uint64_t seed);
  Result<std::vector<HookActivity>> run(const TokenBatch& batch, const caddie_step& step, const graph::RunKey& key);

 private:
  ActivityProbe(graph::Executor& executor) : executor_(&executor), scalars_(executor) {}
  Result<void> bind(const plugins::BuildResult& build, const ParameterStore& parameters, StateStore& states);

  graph::Executor* executor_;
  std::vector<std::pair<std::string, std::string>> measured_;  // block and hook
  std::int64_t tokens_per_row_ = 0;
  std::unique_ptr<graph::Program> program_;
  ScalarInputs scalars_;
  graph::BufferPtr tokens_, targets_, segments_, sums_;
};

// What a run knows of a block over the first steps of its phases.
struct BlockActivity {
  std::string block;
  std::map<std::string, double> change;  // by hook, the largest seen
  std::int64_t parameters = 0;
  double gradient_norm = 0;              // of its parameters together, the largest seen
};

// Collects both over a run.
class ActivityRecord {
 public:
  void take(const std::vector<HookActivity>& hooks);
  // Sums of squares of gradients by path.
  void take(const std::map<std::string, double>& squares, const std::vector<plugins::TensorDeclaration>& parameters);

  // In the order of `names`, which are all blocks of the model.
  [[nodiscard]] std::vector<BlockActivity> blocks(const std::vector<std::string>& names) const;
  [[nodiscard]] nlohmann::json to_json() const;
  static ActivityRecord from_json(const nlohmann::json& json);

 private:
  std::map<std::string, BlockActivity> blocks_;
};

nlohmann::json to_json(const std::vector<BlockActivity>& blocks);
// Skips what is malformed.
std::vector<BlockActivity> activity_from_json(const nlohmann::json& json);

}  // namespace caddie::train
