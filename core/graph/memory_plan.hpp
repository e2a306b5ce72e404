// Offsets in one arena for blocks of memory that live for a while: blocks whose lives meet never overlap.
// Device-independent. Plain values; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace caddie::graph {

// Alive from step `first` to step `last`, both included.
struct MemoryBlock {
  std::size_t bytes = 0;
  std::uint32_t first = 0;
  std::uint32_t last = 0;
};

struct MemoryPlan {
  std::vector<std::size_t> offsets;  // by block; multiples of the alignment
  std::size_t arena_bytes = 0;
  std::size_t live_bytes = 0;  // the most that is alive at one step, rounded up to the alignment: no plan needs less
};

// Large blocks first, each in the smallest gap that its contemporaries leave. alignment is a power of two.
MemoryPlan plan_memory(std::span<const MemoryBlock> blocks, std::size_t alignment);

}  // namespace caddie::graph
