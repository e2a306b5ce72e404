// The fast executor for processors: fused strips, blocked matrix products, tiled attention and losses, one arena.
//
// f32, or bf16 for the factors of products (kernels/factors.hpp) and for values between products and elementwise steps
// (widths.hpp). Results are the same bits for any number of threads (under one instruction set, see kernels/isa.hpp):
// work is cut by shape alone. run() allocates nothing. Threads: as graph::Executor says; its pool is its own.
#pragma once

#include <memory>

#include "core/graph/executor.hpp"

namespace caddie::cpu {

// options.threads below 1 means all that the machine offers. Precision f64 is refused by compile().
std::unique_ptr<graph::Executor> make_cpu_executor(const graph::ExecutorOptions& options);

}  // namespace caddie::cpu
