// One device for each process of a group, which sum over their own memories. One thread of each process.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>

#include "core/base/result.hpp"
#include "core/comm/process_group.hpp"

namespace caddie::comm {

class DeviceGroup {
 public:
  virtual ~DeviceGroup() = default;
  // Every device's `count` floats become their sum over all devices, the same on all; in an order of the library's own.
  // The memory must be at rest; returns when it is again.
  virtual Result<void> sum(float* device_memory, std::size_t count) = 0;
};

// Over NCCL, on this process's current CUDA device, from libcaddie_nccl.so among the program's libraries. Everybody calls
// it. An error where this build or this machine has none: sums then go through the hosts.
Result<std::unique_ptr<DeviceGroup>> open_device_group(ProcessGroup& processes, const std::filesystem::path& program);

}  // namespace caddie::comm
