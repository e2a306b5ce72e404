#include "core/graph/memory_plan.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>

namespace caddie::graph {
namespace {

constexpr std::size_t kNowhere = std::numeric_limits<std::size_t>::max();

struct Placed {
  std::size_t offset = 0;
  std::size_t bytes = 0;
  std::uint32_t first = 0;
  std::uint32_t last = 0;
};

// The best gap for `bytes` between the blocks alive at [first, last]; `placed` stands in order of offsets.
std::size_t best_offset(const std::vector<Placed>& placed, std::size_t bytes, std::uint32_t first, std::uint32_t last) {
  std::size_t best = kNowhere;
  std::size_t best_gap = kNowhere;
  std::size_t end = 0;  // of everything below that is alive
  for (const Placed& other : placed) {
    if (other.last < first || other.first > last) continue;
    if (other.offset > end && other.offset - end >= bytes && other.offset - end < best_gap) {
      best = end;
      best_gap = other.offset - end;
    }
    end = std::max(end, other.offset + other.bytes);
  }
  return best != kNowhere ? best : end;
}

std::size_t most_alive(std::span<const MemoryBlock> blocks, std::size_t alignment) {
  std::map<std::uint64_t, std::pair<std::size_t, std::size_t>>
      changes;  // step: bytes that begin, bytes that end before it
  for (const MemoryBlock& block : blocks) {
    const std::size_t bytes = (block.bytes + alignment - 1) / alignment * alignment;
    changes[block.first].first += bytes;
    changes[std::uint64_t{block.last} + 1].second += bytes;
  }
  std::size_t alive = 0;
  std::size_t most = 0;
  for (const auto& [step, change] : changes) {
    alive = alive - change.second + change.first;
    most = std::max(most, alive);
  }
  return most;
}

}  // namespace

MemoryPlan plan_memory(std::span<const MemoryBlock> blocks, std::size_t alignment) {
  MemoryPlan plan;
  plan.offsets.resize(blocks.size(), 0);
  std::vector<std::size_t> order(blocks.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
    if (blocks[a].bytes != blocks[b].bytes) return blocks[a].bytes > blocks[b].bytes;
    return blocks[a].first < blocks[b].first;
  });
  std::vector<Placed> placed;
  for (const std::size_t i : order) {
    const std::size_t bytes = (blocks[i].bytes + alignment - 1) / alignment * alignment;
    if (bytes == 0) continue;
    const std::size_t offset = best_offset(placed, bytes, blocks[i].first, blocks[i].last);
    const Placed block{offset, bytes, blocks[i].first, blocks[i].last};
    placed.insert(std::ranges::upper_bound(placed, offset, {}, &Placed::offset), block);
    plan.offsets[i] = offset;
    plan.arena_bytes = std::max(plan.arena_bytes, offset + bytes);
  }
  plan.live_bytes = most_alive(blocks, alignment);
  return plan;
}

}  // namespace caddie::graph
