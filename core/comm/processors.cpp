#include "core/comm/processors.hpp"

#include <algorithm>
#include <fstream>
#include <functional>
#include <string>

namespace caddie::comm {
namespace {

// The same for all processes under one kernel, also in containers with names of their own.
std::uint64_t this_machine() {
  std::string id;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
  return std::hash<std::string>()(id);
}

}  // namespace

int fair_share(std::span<const Processors> everybodys, std::size_t own) {
  const Processors& mine = everybodys[own];
  double share = 0;
  for (int processor = 0; processor < CPU_SETSIZE; ++processor) {
    if (!CPU_ISSET(processor, &mine.set)) continue;
    const auto sharers = std::ranges::count_if(everybodys, [&](const Processors& other) {
      return other.machine == mine.machine && CPU_ISSET(processor, &other.set);
    });
    share += 1 / static_cast<double>(sharers);
  }
  return std::max(static_cast<int>(share + 1e-9), 1);
}

Result<int> share_of_processors(ProcessGroup& group) {
  Processors own;
  own.machine = this_machine();
  if (::sched_getaffinity(0, sizeof own.set, &own.set) != 0) CPU_SET(0, &own.set);  // a machine of more than 1024
  const auto all = everybodys(group, own);
  if (!all) return all.error();
  return fair_share(*all, static_cast<std::size_t>(group.rank()));
}

}  // namespace caddie::comm
