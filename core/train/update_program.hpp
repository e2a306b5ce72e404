// The programs that turn gradients into new parameters: global clipping, every optimizer's update of its banks, and the
// averagers' bookkeeping. One thread.
//
// Several processes share the work by members of banks (shares.hpp): each updates its own, with their states, and hands
// the new parameters to the others; their states it keeps as they were until gather_states(). What an update makes of a
// member does not depend on the others that its process has: where something is summed, members are updated one by one
// (where the processor can read them; a device updates all of a range at once, to bits that may depend on the range).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/graph/executor.hpp"
#include "core/graph/member_cut.hpp"
#include "core/train/banks.hpp"
#include "core/train/gradient_norm.hpp"
#include "core/train/member_arrays.hpp"
#include "core/train/shares.hpp"
#include "core/train/states.hpp"
#include "core/train/update_graph.hpp"

namespace caddie::train {

class UpdateProgram {
 public:
  using Options = UpdateOptions;

  // owners[i] updates the banks whose owner is i; averagers may be empty. Stores and peers must outlive it.
  static Result<std::unique_ptr<UpdateProgram>> make(graph::Executor& executor, ParameterStore& parameters,
                                                     StateStore& states, const std::vector<UpdateOwner>& owners,
                                                     const std::vector<const plugins::Object*>& averagers,
                                                     const Options& options, const Peers& peers = {});

  // Everybody's gradients, or each rank's own members of them at least, are in the banks. step.scale is the schedule's
  // scale of this step. Everybody calls it and ends with all new parameters.
  Result<void> run(const caddie_step& step, const graph::RunKey& key);
  // Norm of all gradients before clipping, of the last run; gradients must still be there. Everybody calls it.
  Result<double> gradient_norm();
  // Everybody ends with all states of all members. Everybody calls it.
  Result<void> gather_states() { return state_arrays_.hand_out(*executor_, peers_); }

  // Who updates what. Every owned bank is dealt, also those that everybody updates.
  [[nodiscard]] const Shares& shares() const { return shares_; }
  // Some banks are updated by everybody, who then needs all their gradients.
  [[nodiscard]] bool needs_all_gradients() const { return needs_all_gradients_; }
  [[nodiscard]] std::size_t program_arena() const;

 private:
  struct Plan;

  UpdateProgram(graph::Executor& executor, const Options& options, const Peers& peers)
      : executor_(&executor), options_(options), peers_(peers), scalars_(executor) {}
  Result<void> deal(const Plan& plan);
  Result<void> add_own_members(const Plan& plan);
  Result<void> add_piece(const Plan& plan, const graph::Graph& graph, const MemberRange& range, bool one_by_one);
  Result<void> bind_leaf(const Plan& plan, const std::string& name, const MemberRange& range, graph::Program& program);

  graph::Executor* executor_;
  Options options_;
  Peers peers_;
  Shares shares_;
  bool needs_all_gradients_ = false;
  // Of ranges of banks' members, then of what belongs to no bank; in the order they run.
  std::vector<std::unique_ptr<graph::Program>> pieces_;
  ScalarInputs scalars_;
  GradientNorm norm_;
  std::optional<double> last_norm_;
  MemberArrays parameter_arrays_;
  MemberArrays state_arrays_;
};

}  // namespace caddie::train
