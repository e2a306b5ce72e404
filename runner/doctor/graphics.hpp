// The NVIDIA side: driver, devices, the libraries of the toolkit. Nothing here is linked.
#pragma once

#include <vector>

#include "runner/doctor/finding.hpp"
#include "runner/doctor/libraries.hpp"

namespace caddie::doctor {

// Driver and devices.
std::vector<Finding> find_graphics(Libraries& libraries);
// CUDA runtime, cuBLASLt, NVRTC, cuDNN, NCCL, each with its version.
std::vector<Finding> find_toolkit(Libraries& libraries);

}  // namespace caddie::doctor
