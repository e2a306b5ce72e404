// A training run: programs for the phases of the model, banks, optimizers, averagers, the loader and the clock.
//
// A Trainer belongs to one thread. Executor, model, objects and data must outlive it. It can be left after any step:
// save() writes all it needs, restore() brings a fresh Trainer of the same run to the same bits.
//
// Several processes, each with a Trainer of the same run, share the micro-batches of every step (gradient_exchange.hpp)
// and its updates (update_program.hpp) and end it with the same bits as one process, where the hosts add. All of them
// call step() and gather(), in step; the clock is that of rank 0.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/comm/process_group.hpp"
#include "core/data/token_stream.hpp"
#include "core/graph/executor.hpp"
#include "core/plugins/claims.hpp"
#include "core/plugins/model.hpp"
#include "core/plugins/object.hpp"
#include "core/train/activity.hpp"
#include "core/train/averaging.hpp"
#include "core/train/banks.hpp"
#include "core/train/checkpoint.hpp"
#include "core/train/gradient_exchange.hpp"
#include "core/train/gradient_program.hpp"
#include "core/train/inert.hpp"
#include "core/train/shard_tokens.hpp"
#include "core/train/states.hpp"
#include "core/train/update_program.hpp"

namespace caddie::train {

struct OptimizerEntry {
  const plugins::Object* object = nullptr;
  plugins::Claims claims;
};

struct TrainerParts {
  const plugins::Model* model = nullptr;
  std::vector<OptimizerEntry> optimizers;
  const plugins::Object* schedule = nullptr;  // nullptr: scale 1
  std::vector<const plugins::Object*> averagers;
  plugins::Object* loader = nullptr;
  const data::TokenStream* tokens = nullptr;
  comm::ProcessGroup* group = nullptr;   // nullptr: one process
  comm::DeviceGroup* devices = nullptr;  // of the group's devices; nullptr: gradients meet on the hosts
};

struct TrainerOptions {
  std::int64_t batch = 1;    // rows of a micro-batch
  std::int64_t context = 1;  // tokens of a row
  int accumulate = 1;        // micro-batches of a step, of all processes together: a multiple of their number
  std::int64_t steps = 0;    // 0: until the time is over
  double budget_seconds = 0; // of training; 0: no limit
  double clip_norm = 0;
  std::uint64_t seed = 0;
  int threads = 1;           // that draw initial values
  InertAllowance inert;
  std::string run_digest;    // checkpoints of another run are refused
};

struct StepReport {
  std::int64_t step = 0;  // number of this step, from 0
  LossReport loss;
  double gradient_norm = 0;
  double scale = 0;
  double seconds = 0;     // of this step
  std::int64_t tokens = 0;
};

class Trainer {
 public:
  // Builds the model for its first and last phase, gives every parameter its owner, checks for what is inert, draws
  // initial values and opens the loader.
  static Result<std::unique_ptr<Trainer>> make(graph::Executor& executor, const TrainerParts& parts,
                                               const TrainerOptions& options);

  [[nodiscard]] bool done() const;
  // One optimizer step. The loss stands in the report; one that is not finite is an error that names step and learning
  // rate.
  Result<StepReport> step();

  // Every process gets the states of the members that others update; what stands below needs them. All call it.
  Result<void> gather();

  Result<Checkpoint> checkpoint() const;
  Result<void> restore(const Checkpoint& checkpoint);

  // The weights to go on with, after the averagers.
  Result<std::vector<HostTensor>> averaged_weights();
  Result<std::vector<HostTensor>> raw_weights() const { return store_.download(); }

  [[nodiscard]] std::int64_t steps_done() const { return step_; }
  [[nodiscard]] double elapsed_seconds() const { return elapsed_seconds_; }
  // In [0, 1].
  [[nodiscard]] double fraction() const;
  [[nodiscard]] const ParameterStore& parameters() const { return store_; }
  [[nodiscard]] const GradientWatch& gradient_watch() const { return watch_; }
  // What the blocks did over the first steps of every phase so far.
  [[nodiscard]] std::vector<BlockActivity> activity() const;
  [[nodiscard]] const GradientProgram& gradient_program() const { return *gradients_; }
  // Bytes of the arenas of the programs in use, added up: programs on the processor use the same memory in turn.
  [[nodiscard]] std::size_t arena_bytes() const;

 private:
  Trainer(graph::Executor& executor, const TrainerParts& parts, const TrainerOptions& options);
  Result<void> prepare();
  Result<void> make_store(const plugins::BuildResult& first, const plugins::BuildResult& last);
  Result<void> open_loader();
  // Builds the gradient program anew when a threshold was crossed.
  Result<void> enter_phase(double progress, double scale);
  Result<void> check_new_parameters();
  void open_probe(const plugins::BuildRequest& request);
  Result<void> restore_activity(const Checkpoint& checkpoint);
  Result<void> observe(const TokenBatch& batch, const caddie_step& position);
  Result<void> clear_gradients(const std::vector<std::string>& paths);
  [[nodiscard]] Result<void> check_group(const plugins::BuildResult& first, const plugins::BuildResult& last) const;
  Result<TokenBatch> next_batch();
  // Leaves the step's first batch in `first`.
  Result<LossReport> run_gradients(const caddie_step& position, TokenBatch* first);
  // Ends a round of micro-batches, one of every process: adds gradients, and losses to `mean`.
  Result<void> end_round(int round, const LossReport& own, LossReport* mean);
  [[nodiscard]] int ranks() const { return parts_.group == nullptr ? 1 : parts_.group->size(); }
  [[nodiscard]] int rank() const { return parts_.group == nullptr ? 0 : parts_.group->rank(); }
  [[nodiscard]] Peers peers() const { return {parts_.group, parts_.devices}; }
  // An error where the states of other processes' members are out of date.
  [[nodiscard]] Result<void> check_gathered() const;
  [[nodiscard]] caddie_step position() const;
  [[nodiscard]] UpdateOptions update_options() const;

  graph::Executor* executor_;
  TrainerParts parts_;
  TrainerOptions options_;
  ParameterStore store_;
  StateStore states_;
  GradientWatch watch_;
  ShardTokens shard_tokens_;
  std::unique_ptr<GradientProgram> gradients_;
  std::unique_ptr<GradientExchange> exchange_;  // of several processes
  std::unique_ptr<UpdateProgram> update_;
  std::unique_ptr<ActivityProbe> probe_;  // while a phase is young
  int probed_steps_ = 0;
  ActivityRecord activity_;
  std::optional<std::vector<bool>> phase_;  // which thresholds were passed when gradients_ was built
  std::set<std::string> trained_;           // parameters that had a gradient in some phase so far
  std::set<double> progress_thresholds_;
  std::set<double> scale_thresholds_;
  bool segments_ = false;
  std::int64_t step_ = 0;
  std::int64_t gathered_step_ = 0;  // steps done when the states of all members were here last
  double elapsed_seconds_ = 0;
};

}  // namespace caddie::train
