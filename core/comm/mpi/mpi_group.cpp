// A process group over MPI_COMM_WORLD.
#include <fmt/format.h>
#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <limits>
#include <thread>

#include "core/comm/mpi/entry.hpp"

namespace caddie::comm {
namespace {

Result<void> checked(int code, const char* what) {
  if (code == MPI_SUCCESS) return {};
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(code, text, &length);
  return Error{Code::device, "mpi", fmt::format("{} failed: {}", what, text)};
}

// MPI counts with int; larger messages go in pieces.
constexpr std::size_t kPiece = std::size_t{1} << 30;

class MpiGroup final : public ProcessGroup {
 public:
  MpiGroup() {
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &size_);
  }
  ~MpiGroup() override { MPI_Finalize(); }
  MpiGroup(const MpiGroup&) = delete;
  MpiGroup& operator=(const MpiGroup&) = delete;

  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return size_; }

  Result<void> broadcast(std::span<std::byte> bytes, int root) override {
    for (std::size_t at = 0; at < bytes.size(); at += kPiece) {
      const std::size_t count = std::min(kPiece, bytes.size() - at);
      const int code = MPI_Bcast(bytes.data() + at, static_cast<int>(count), MPI_BYTE, root, MPI_COMM_WORLD);
      if (auto done = checked(code, "MPI_Bcast"); !done) return done;
    }
    return {};
  }

  Result<void> all_to_all(std::span<const std::byte> sent, std::span<std::byte> received) override {
    const Block block(sent.size() / static_cast<std::size_t>(size_));
    return checked(MPI_Alltoall(sent.data(), 1, block.type, received.data(), 1, block.type, MPI_COMM_WORLD),
                   "MPI_Alltoall");
  }

  Result<void> all_gather(std::span<const std::byte> own, std::span<std::byte> all) override {
    const Block block(own.size());
    return checked(MPI_Allgather(own.data(), 1, block.type, all.data(), 1, block.type, MPI_COMM_WORLD),
                   "MPI_Allgather");
  }

  Result<void> wait_for_all() override {
    MPI_Request request = MPI_REQUEST_NULL;
    if (auto done = checked(MPI_Ibarrier(MPI_COMM_WORLD, &request), "MPI_Ibarrier"); !done) return done;
    for (int arrived = 0; arrived == 0;) {
      if (auto done = checked(MPI_Test(&request, &arrived, MPI_STATUS_IGNORE), "MPI_Test"); !done) return done;
      if (arrived == 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return {};
  }

  [[noreturn]] void abort(int exit_code) override {
    MPI_Abort(MPI_COMM_WORLD, exit_code);
    std::_Exit(exit_code);
  }

 private:
  // So many bytes as one element, so that no count overflows: whole pieces of 4 KiB and a rest.
  struct Block {
    explicit Block(std::size_t bytes) {
      constexpr std::size_t kChunk = 4096;
      MPI_Datatype chunk = MPI_DATATYPE_NULL;
      MPI_Type_contiguous(static_cast<int>(kChunk), MPI_BYTE, &chunk);
      const int lengths[2] = {static_cast<int>(bytes / kChunk), static_cast<int>(bytes % kChunk)};
      const MPI_Aint places[2] = {0, static_cast<MPI_Aint>(bytes / kChunk * kChunk)};
      const MPI_Datatype types[2] = {chunk, MPI_BYTE};
      MPI_Type_create_struct(2, lengths, places, types, &type);
      MPI_Type_commit(&type);
      MPI_Type_free(&chunk);
    }
    ~Block() { MPI_Type_free(&type); }
    Block(const Block&) = delete;
    Block& operator=(const Block&) = delete;
    MPI_Datatype type = MPI_DATATYPE_NULL;
  };

  int rank_ = 0;
  int size_ = 1;
};

}  // namespace
}  // namespace caddie::comm

extern "C" __attribute__((visibility("default"))) void caddie_open_mpi_group(
    caddie::Result<std::unique_ptr<caddie::comm::ProcessGroup>>& made) {
  using namespace caddie;
  int given = 0;
  const int code = MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &given);
  const auto done = comm::checked(code, "MPI_Init_thread");
  if (done) {
    made = std::unique_ptr<comm::ProcessGroup>(std::make_unique<comm::MpiGroup>());
  } else {
    made = done.error();
  }
}
