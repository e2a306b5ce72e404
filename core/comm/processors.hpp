// How many of a machine's processors each process of a group may take for itself.
#pragma once

#include <sched.h>

#include <cstdint>
#include <span>

#include "core/base/result.hpp"
#include "core/comm/process_group.hpp"

namespace caddie::comm {

// A machine and those of its processors that a process may run on.
struct Processors {
  std::uint64_t machine = 0;
  cpu_set_t set = {};
};

// Every processor is shared by the processes that may run on it; at least one for each.
int fair_share(std::span<const Processors> everybodys, std::size_t own);

// That of this process. Everybody calls it.
Result<int> share_of_processors(ProcessGroup& group);

}  // namespace caddie::comm
