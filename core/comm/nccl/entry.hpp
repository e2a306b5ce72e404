// How the program finds the NCCL group, which lives in a library of its own.
#pragma once

#include <memory>

#include "core/base/result.hpp"
#include "core/comm/device_group.hpp"

namespace caddie::comm {

inline constexpr const char* kNcclLibrary = "libcaddie_nccl.so";
inline constexpr const char* kOpenNcclGroup = "caddie_open_nccl_group";

using OpenNcclGroup = void(ProcessGroup& processes, Result<std::unique_ptr<DeviceGroup>>& made);

}  // namespace caddie::comm
