// Programs of the processor's executor: one compiled graph run as it stands, or one that is run slab by slab along the
// batch (core/graph/batch_split.hpp).
#pragma once

#include <memory>

#include "core/cpu/arenas.hpp"
#include "core/cpu/thread_pool.hpp"
#include "core/graph/executor.hpp"

namespace caddie::cpu {

// What programs of one executor share.
struct Shared {
  std::shared_ptr<ThreadPool> pool;
  std::shared_ptr<Arenas> arenas;
};

Result<std::unique_ptr<graph::Program>> make_program(const graph::Graph& graph, const Shared& shared,
                                                     const graph::ExecutorOptions& options);

}  // namespace caddie::cpu
