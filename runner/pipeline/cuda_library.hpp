// The CUDA executor, from the library that is loaded only when a manifest asks for it.
#pragma once

#include <memory>

#include "core/base/result.hpp"
#include "core/graph/executor.hpp"

namespace caddie::pipeline {

// A sentence when there is no such library beside the program, when CUDA's libraries are missing, or no GPU is there.
Result<std::unique_ptr<graph::Executor>> make_cuda_executor(const graph::ExecutorOptions& options);

}  // namespace caddie::pipeline
