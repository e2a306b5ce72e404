// One device for each process of a group, which add up and hand out their own memories. One thread of each process.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

#include "core/base/result.hpp"
#include "core/comm/process_group.hpp"

namespace caddie::comm {

// Memory of a device that another process has right.
struct DevicePiece {
  void* memory = nullptr;
  std::size_t bytes = 0;
  int root = 0;  // whose it is
};

// Memory must be at rest when it is given; calls return when it is again.
class DeviceGroup {
 public:
  virtual ~DeviceGroup() = default;
  // Every device's `count` floats become their sum over all devices, the same on all; in an order of the library's own.
  virtual Result<void> sum(float* device_memory, std::size_t count) = 0;
  // Every device's piece becomes that of its root. The same list on all, but for the addresses.
  virtual Result<void> hand_out(std::span<const DevicePiece> pieces) = 0;
};

// Over NCCL, on this process's current CUDA device, from libcaddie_nccl.so among the program's libraries. Everybody calls
// it. An error where this build or this machine has none: sums then go through the hosts.
Result<std::unique_ptr<DeviceGroup>> open_device_group(ProcessGroup& processes, const std::filesystem::path& program);

}  // namespace caddie::comm
