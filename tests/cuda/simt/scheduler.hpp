// Runs the threads of a block one after another, each until it waits or ends; a wait is over when all of the block
// (or of the warp) have come to it. In order of their numbers, or from the last to the first: results of right
// kernels do not depend on it. One thread at a time.
#pragma once

#include <cstdint>
#include <string>

#include "tests/cuda/simt/hooks.hpp"

namespace caddie::simt {

using KernelFunction = void (*)(const void* pointers);

struct Grid {
  std::uint32_t blocks = 1;
  std::uint32_t threads = 32;
  bool cooperates = false;  // threads wait for each other
  bool reversed = false;
};

// Empty, or what is wrong with the kernel.
std::string run_grid(KernelFunction kernel, const void* pointers, const Grid& grid, SimtHooks& hooks);

}  // namespace caddie::simt
