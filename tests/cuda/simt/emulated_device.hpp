// A device that runs kernels on the processor (scheduler.hpp) and products in plain loops: what the CUDA executor
// decides can be run and compared where there is no GPU. Memory has guards on both sides; fresh arenas are full of
// numbers that are none. One thread at a time.
#pragma once

#include <memory>

#include "core/cuda/device.hpp"

namespace caddie::simt {

class EmulatedDevice : public cuda::Device {
 public:
  // From the last thread of the last block to the first.
  virtual void reverse_order(bool reversed) = 0;
  // Whether products take biases and activations (Device::fuses).
  virtual void fuse_epilogues(bool fuses) = 0;
  // Kernels known so far, for counting.
  [[nodiscard]] virtual std::size_t kernels() const = 0;
};

// Why there is no emulator here; empty when there is one.
std::string no_emulator();

// One for all tests of a program: kernels are compiled once.
std::shared_ptr<EmulatedDevice> emulated_device();

}  // namespace caddie::simt
