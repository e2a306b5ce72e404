// The norm of all gradients of a step: a sum of squares for every member of every bank, on whose rank it is, added in
// their order. So it has the same bits however members are dealt. One thread; executor and stores must outlive it.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "core/base/result.hpp"
#include "core/graph/executor.hpp"
#include "core/train/banks.hpp"
#include "core/train/member_arrays.hpp"
#include "core/train/shares.hpp"

namespace caddie::train {

class GradientNorm {
 public:
  static Result<GradientNorm> make(graph::Executor& executor, const ParameterStore& parameters, const Shares& shares,
                                   const Peers& peers);

  // Of the gradients that the banks hold now, each rank's own members. Everybody calls it.
  Result<double> compute();

 private:
  graph::Executor* executor_ = nullptr;
  Peers peers_;
  std::unique_ptr<graph::Program> program_;  // nullptr on a rank without members
  graph::BufferPtr squares_;                 // f32, one of each own member
  std::vector<std::size_t> bytes_of_ranks_;
};

}  // namespace caddie::train
