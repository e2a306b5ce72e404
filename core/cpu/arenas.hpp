// Memory for intermediate values that all programs of an executor use in turn: none runs while another does, and
// nothing in it outlives a run. One arena for each lane of a program, as large as the largest program needs.
#pragma once

#include <vector>

#include "core/cpu/host_memory.hpp"

namespace caddie::cpu {

class Arenas {
 public:
  // At least `bytes`; may move the arena.
  Result<void> reserve(std::size_t lane, std::size_t bytes) {
    if (lane >= lanes_.size()) lanes_.resize(lane + 1);
    if (bytes <= lanes_[lane].size()) return {};
    lanes_[lane] = {};
    auto memory = HostMemory::allocate(bytes, "intermediate values");
    if (!memory) return memory.error();
    lanes_[lane] = std::move(*memory);
    return {};
  }
  [[nodiscard]] std::byte* data(std::size_t lane) const { return lanes_[lane].data(); }

 private:
  std::vector<HostMemory> lanes_;
};

}  // namespace caddie::cpu
