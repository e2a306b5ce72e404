// Gradients of one step over several processes: each runs some of the step's micro-batches, everybody ends with the sum.
//
// Micro-batch p of M belongs to rank p mod N, and the sum is made in the order of p, element by element, whatever N is:
// (g_0 + g_1) + g_2 ... So 1, 2 and M processes get the same bits. Each rank adds its share of the elements:
//
//   round k:  all-to-all     share r of this rank's gradient -> rank r
//             add            own share += rank 0's, rank 1's, ...
//   the end:  all-gather     the shares -> everybody's banks
//
// A rank sends and receives about M/N + 1 times the gradients' bytes a step. One thread. The store, the executor and the
// group must outlive it.
#pragma once

#include <memory>
#include <vector>

#include "core/base/result.hpp"
#include "core/comm/process_group.hpp"
#include "core/graph/executor.hpp"
#include "core/train/banks.hpp"

namespace caddie::train {

class GradientExchange {
 public:
  GradientExchange(graph::Executor& executor, const ParameterStore& store, comm::ProcessGroup& group);

  // The banks hold the gradient of this rank's micro-batch of this round; rounds count from 0 in every step.
  Result<void> add(int round);
  // Everybody's banks get the sum.
  Result<void> finish();

 private:
  // Every owned bank's gradient, one after the other, and zeros up to a multiple of the group's size.
  Result<void> download();
  Result<void> upload();

  graph::Executor* executor_;
  const ParameterStore* store_;
  comm::ProcessGroup* group_;
  std::vector<float> all_;       // [size * share]
  std::vector<float> received_;  // [size * share]
  std::vector<float> sum_;       // [share]
};

}  // namespace caddie::train
