// The executor for GPUs: fused groups and hand-written kernels compiled for the device at hand, products by cuBLASLt,
// one arena, the whole program recorded as a CUDA graph.
//
// f32 and bf16 (activations and operands of products in bfloat16; leaves, sums and reductions f32). Same program, same
// device, same bits: no sum depends on the order in which threads run. Threads: as graph::Executor says.
#pragma once

#include <memory>

#include "core/cuda/device.hpp"
#include "core/graph/executor.hpp"

namespace caddie::cuda {

std::unique_ptr<graph::Executor> make_cuda_executor(std::shared_ptr<Device> device,
                                                    const graph::ExecutorOptions& options);

}  // namespace caddie::cuda
