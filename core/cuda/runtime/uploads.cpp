#include "core/cuda/runtime/uploads.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace caddie::cuda {
namespace {

constexpr std::size_t kSlotBytes = std::size_t{8} << 20;

// Runs calls one after another until one fails.
class Calls {
 public:
  Calls& then(cudaError_t status) {
    if (status_ == cudaSuccess) status_ = status;
    return *this;
  }
  [[nodiscard]] bool good() const { return status_ == cudaSuccess; }
  [[nodiscard]] Error error() const {
    return {Code::device, "", fmt::format("an upload failed: {}", cudaGetErrorString(status_))};
  }

 private:
  cudaError_t status_ = cudaSuccess;
};

}  // namespace

Result<std::unique_ptr<Uploads>> Uploads::make(cudaStream_t computing) {
  std::unique_ptr<Uploads> made(new Uploads());
  made->computing_ = computing;
  Calls calls;
  calls.then(cudaStreamCreateWithFlags(&made->bringing_, cudaStreamNonBlocking));
  for (Slot& slot : made->slots_) {
    if (calls.good()) calls.then(cudaMallocHost(&slot.pinned, kSlotBytes));
    if (calls.good()) calls.then(cudaMalloc(&slot.staged, kSlotBytes));
    if (calls.good()) calls.then(cudaEventCreateWithFlags(&slot.arrived, cudaEventDisableTiming));
    if (calls.good()) calls.then(cudaEventCreateWithFlags(&slot.taken, cudaEventDisableTiming));
  }
  if (!calls.good()) return calls.error();
  return made;
}

Uploads::~Uploads() {
  if (bringing_ != nullptr) cudaStreamSynchronize(bringing_);
  for (const Slot& slot : slots_) {
    if (slot.pinned != nullptr) cudaFreeHost(slot.pinned);
    if (slot.staged != nullptr) cudaFree(slot.staged);
    if (slot.arrived != nullptr) cudaEventDestroy(slot.arrived);
    if (slot.taken != nullptr) cudaEventDestroy(slot.taken);
  }
  if (bringing_ != nullptr) cudaStreamDestroy(bringing_);
}

Result<void> Uploads::upload(std::byte* to, std::span<const std::byte> from) {
  for (std::size_t first = 0; first < from.size(); first += kSlotBytes) {
    const std::size_t bytes = std::min(kSlotBytes, from.size() - first);
    Slot& slot = slots_[next_++ % slots_.size()];
    Calls calls;
    // An event that was never recorded is over.
    calls.then(cudaEventSynchronize(slot.taken));
    if (calls.good()) std::memcpy(slot.pinned, from.data() + first, bytes);
    if (calls.good()) calls.then(cudaMemcpyAsync(slot.staged, slot.pinned, bytes, cudaMemcpyHostToDevice, bringing_));
    if (calls.good()) calls.then(cudaEventRecord(slot.arrived, bringing_));
    if (calls.good()) calls.then(cudaStreamWaitEvent(computing_, slot.arrived, 0));
    if (calls.good()) {
      calls.then(cudaMemcpyAsync(to + first, slot.staged, bytes, cudaMemcpyDeviceToDevice, computing_));
    }
    if (calls.good()) calls.then(cudaEventRecord(slot.taken, computing_));
    if (!calls.good()) return calls.error();
  }
  return {};
}

}  // namespace caddie::cuda
