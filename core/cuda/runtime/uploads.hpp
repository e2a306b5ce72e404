// Large uploads: from the caller's memory to pinned memory, by a stream of their own to the device, and from there to
// their place by the stream that computes, after what it has been given before. So an upload runs beside a program
// that still reads the old contents. One thread.
#pragma once

#include <cuda_runtime_api.h>

#include <array>
#include <memory>
#include <span>

#include "core/base/result.hpp"

namespace caddie::cuda {

class Uploads {
 public:
  static Result<std::unique_ptr<Uploads>> make(cudaStream_t computing);
  ~Uploads();
  Uploads(const Uploads&) = delete;
  Uploads& operator=(const Uploads&) = delete;

  // `from` may be changed when it returns.
  Result<void> upload(std::byte* to, std::span<const std::byte> from);

 private:
  struct Slot {
    void* pinned = nullptr;
    void* staged = nullptr;        // on the device
    cudaEvent_t arrived = nullptr;  // of `staged`
    cudaEvent_t taken = nullptr;    // by the computing stream
  };
  Uploads() = default;

  cudaStream_t computing_ = nullptr;
  cudaStream_t bringing_ = nullptr;
  std::array<Slot, 2> slots_{};
  std::size_t next_ = 0;
};

}  // namespace caddie::cuda
