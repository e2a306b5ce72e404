// Where each value of a partitioned graph is kept, from when to when: in a leaf, in a constant, or in a block of the
// arena that it may take over from a value that ends with the same step. Device-independent. Plain values; any thread.
//
// Contract for executors: a step writes element e of a fused result after it has read element e of every input, so a
// result may stand where an input stood that is read in order.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "core/graph/fusion.hpp"
#include "core/graph/memory_plan.hpp"

namespace caddie::graph {

enum class Home { none, leaf, constant, arena };

struct Storage {
  Home home = Home::none;
  Value owner = 0;          // the leaf or constant whose memory it is
  std::uint32_t block = 0;  // of the arena
};

// A leaf written when all steps are done, because its new value could not be made in its own memory.
struct LateUpdate {
  Value leaf = 0;
  View from;
  bool staged = false;      // its source is a leaf that is itself written late: copied to a block before
  std::uint32_t block = 0;
};

struct StoragePlan {
  std::vector<Storage> of;          // by value; views have the home of their base
  std::vector<MemoryBlock> blocks;  // step numbers, and steps.size() for what follows the last step
  std::vector<LateUpdate> late;
};

struct StorageRules {
  // Whether the kernel of a single node may write its first output over this input, read densely.
  std::function<bool(const Node&, std::size_t input)> in_place;
  // Bytes of an element of a value in the arena; null: 4. What an update makes takes the leaf's 4.
  std::function<std::size_t(Value)> element_bytes = nullptr;
};

StoragePlan plan_storage(const Graph& graph, const Partition& partition, const StorageRules& rules);

}  // namespace caddie::graph
