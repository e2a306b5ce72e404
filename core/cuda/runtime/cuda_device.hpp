// The device of device.hpp on a real GPU, through the CUDA runtime, NVRTC and cuBLASLt. One stream for all work, a
// second one that brings large uploads to the device while the first computes.
#pragma once

#include <filesystem>
#include <memory>

#include "core/cuda/device.hpp"

namespace caddie::cuda {

struct CudaDeviceOptions {
  std::filesystem::path cache_folder;  // of compiled kernels; empty for none
  int threads = 1;                     // that compile kernels
  int device = 0;                      // of those that are visible, counted around
};

// Makes it the current CUDA device. The error is a sentence when there is no driver or no GPU.
Result<std::shared_ptr<Device>> make_cuda_device(const CudaDeviceOptions& options);

}  // namespace caddie::cuda
