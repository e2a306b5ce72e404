// Gradients of one step over several processes: each runs some of the step's micro-batches, and ends with the sum at
// least for the members that it updates. Micro-batch p of M belongs to rank p mod N. One thread.
#pragma once

#include <memory>

#include "core/base/result.hpp"
#include "core/comm/device_group.hpp"
#include "core/comm/process_group.hpp"
#include "core/graph/executor.hpp"
#include "core/train/banks.hpp"
#include "core/train/shares.hpp"

namespace caddie::train {

class GradientExchange {
 public:
  virtual ~GradientExchange() = default;

  // A rank's micro-batches are added up in its banks before they are exchanged. Else the banks hold one at a time.
  [[nodiscard]] virtual bool adds_own_first() const = 0;
  // The banks hold this rank's micro-batch of this round; rounds count from 0 in every step.
  virtual Result<void> add(int round) = 0;
  // The banks get the sum: of this rank's share; of everything where everybody is to have all.
  virtual Result<void> finish(bool all) = 0;
};

// The sum in the order of p, element by element, whatever N is, (g_0 + g_1) + g_2 ...: 1, 2 and M processes get the
// same bits. Each rank adds its share, on the host:
//
//   round k:  all-to-all     share r of this rank's gradient -> rank r
//             add            own share += rank 0's, rank 1's, ...
//   the end:  all-gather     the shares -> everybody's banks, where everybody is to have all
//
// A rank sends and receives about M/N times the gradients' bytes a step. Store, executor and group must outlive it.
std::unique_ptr<GradientExchange> ordered_exchange(graph::Executor& executor, const ParameterStore& store,
                                                   comm::ProcessGroup& group, const Shares& shares);

// Each rank adds up its own, then the devices sum: once a step, in an order of their own, so the last bits depend on N.
// Everybody has all.
std::unique_ptr<GradientExchange> device_exchange(graph::Executor& executor, const ParameterStore& store,
                                                  comm::DeviceGroup& devices);

}  // namespace caddie::train
