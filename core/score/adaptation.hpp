// Test-time training on what is already scored: the host side of a TTT strategy. One thread.
#pragma once

#include <memory>
#include <vector>

#include "core/base/result.hpp"
#include "core/graph/executor.hpp"
#include "core/plugins/model.hpp"
#include "core/plugins/object.hpp"
#include "core/score/vault.hpp"
#include "core/train/banks.hpp"
#include "core/train/gradient_program.hpp"
#include "core/train/states.hpp"
#include "core/train/update_program.hpp"

namespace caddie::score {

class Adaptation {
 public:
  // `weights` are all of the model; those the strategy adapts get banks and updates in the store this makes. The scorer
  // must read its weights from parameters().
  static Result<std::unique_ptr<Adaptation>> make(graph::Executor& executor, const plugins::Model& model,
                                                  plugins::Object& strategy,
                                                  const std::vector<train::HostTensor>& weights, const Vault& vault,
                                                  std::int64_t context, std::uint64_t seed);

  [[nodiscard]] const train::ParameterStore& parameters() const { return store_; }
  [[nodiscard]] std::int64_t chunk_targets() const { return plan_.chunk_targets; }
  // Gradient steps done so far.
  [[nodiscard]] std::uint64_t version() const { return version_; }

  // After the targets of this chunk are sealed.
  Result<void> after_chunk(std::int64_t index, std::int64_t count, std::int64_t first_target, std::int64_t targets);

  // ---- what the strategy may do, behind the ABI's table -----------------------------------------------------
  Result<void> step(std::span<const std::int64_t> first_targets, double scale);
  Result<void> reset();
  [[nodiscard]] const Vault& vault() const { return *vault_; }

 private:
  Adaptation(graph::Executor& executor, const plugins::Model& model, plugins::Object& strategy, const Vault& vault,
             std::uint64_t seed);
  Result<void> make_store(const plugins::BuildResult& build);
  Result<train::GradientProgram*> program_for(std::int64_t rows);

  graph::Executor* executor_;
  const plugins::Model* model_;
  plugins::Object* strategy_;
  const Vault* vault_;
  std::uint64_t seed_;
  caddie_ttt_plan plan_{};
  train::ParameterStore store_;
  train::StateStore states_;
  std::map<std::int64_t, std::unique_ptr<train::GradientProgram>> programs_;  // by rows
  std::unique_ptr<train::UpdateProgram> update_;
  const std::vector<train::HostTensor>* initial_ = nullptr;
  std::uint64_t version_ = 0;
};

}  // namespace caddie::score
