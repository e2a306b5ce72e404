// Sums and copies between the memories of GPUs. The processes find each other through their process group.
#include <cuda_runtime_api.h>
#include <fmt/format.h>
#include <nccl.h>

#include "core/comm/nccl/entry.hpp"

namespace caddie::comm {
namespace {

Result<void> checked(ncclResult_t code, const char* what) {
  if (code == ncclSuccess) return {};
  return Error{Code::device, "nccl", fmt::format("{} failed: {}", what, ncclGetErrorString(code))};
}
Result<void> checked(cudaError_t code, const char* what) {
  if (code == cudaSuccess) return {};
  return Error{Code::device, "nccl", fmt::format("{} failed: {}", what, cudaGetErrorString(code))};
}

class NcclGroup final : public DeviceGroup {
 public:
  NcclGroup() = default;
  NcclGroup(const NcclGroup&) = delete;
  NcclGroup& operator=(const NcclGroup&) = delete;
  ~NcclGroup() override {
    if (communicator_ != nullptr) ncclCommDestroy(communicator_);
    if (stream_ != nullptr) cudaStreamDestroy(stream_);
  }

  Result<void> open(ProcessGroup& processes) {
    ncclUniqueId id{};
    int code = processes.rank() == 0 ? static_cast<int>(ncclGetUniqueId(&id)) : 0;
    if (auto done = agree(processes, code); !done) return done;
    if (auto done = checked(static_cast<ncclResult_t>(code), "ncclGetUniqueId"); !done) return done;
    if (auto done = agree(processes, id); !done) return done;
    if (auto done = checked(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "a stream"); !done) return done;
    return checked(ncclCommInitRank(&communicator_, processes.size(), id, processes.rank()), "ncclCommInitRank");
  }

  Result<void> sum(float* device_memory, std::size_t count) override {
    if (auto done = checked(ncclAllReduce(device_memory, device_memory, count, ncclFloat32, ncclSum, communicator_,
                                          stream_),
                            "ncclAllReduce");
        !done) {
      return done;
    }
    return checked(cudaStreamSynchronize(stream_), "ncclAllReduce");
  }

  Result<void> hand_out(std::span<const DevicePiece> pieces) override {
    if (auto done = checked(ncclGroupStart(), "ncclGroupStart"); !done) return done;
    Result<void> given;
    for (const DevicePiece& piece : pieces) {
      const auto code =
          ncclBroadcast(piece.memory, piece.memory, piece.bytes, ncclInt8, piece.root, communicator_, stream_);
      if (given) given = checked(code, "ncclBroadcast");
    }
    if (auto done = checked(ncclGroupEnd(), "ncclGroupEnd"); !done) return done;
    if (!given) return given;
    return checked(cudaStreamSynchronize(stream_), "ncclBroadcast");
  }

 private:
  ncclComm_t communicator_ = nullptr;
  cudaStream_t stream_ = nullptr;
};

}  // namespace
}  // namespace caddie::comm

extern "C" __attribute__((visibility("default"))) void caddie_open_nccl_group(
    caddie::comm::ProcessGroup& processes, caddie::Result<std::unique_ptr<caddie::comm::DeviceGroup>>& made) {
  auto group = std::make_unique<caddie::comm::NcclGroup>();
  const auto done = group->open(processes);
  if (done) {
    made = std::unique_ptr<caddie::comm::DeviceGroup>(std::move(group));
  } else {
    made = done.error();
  }
}
