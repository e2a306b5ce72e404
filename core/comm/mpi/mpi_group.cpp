// A process group over MPI_COMM_WORLD.
#include <fmt/format.h>
#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

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

// Calls `test` until its flag is set: at once for a while, then after pauses of a twentieth of the time waited. What takes
// long costs no processor, and ends a little late.
template <class Test>
Result<void> wait_until(Test&& test, const char* what) {
  using Clock = std::chrono::steady_clock;
  constexpr auto kAtOnce = std::chrono::milliseconds(1);
  constexpr auto kLongestPause = std::chrono::milliseconds(5);
  const Clock::time_point start = Clock::now();
  for (int arrived = 0;;) {
    if (auto done = checked(test(&arrived), what); !done || arrived != 0) return done;
    const auto waited = Clock::now() - start;
    if (waited < kAtOnce) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(std::min<Clock::duration>(waited / 20, kLongestPause));
    }
  }
}

Result<void> wait_for(MPI_Request& request, const char* what) {
  return wait_until([&](int* arrived) { return MPI_Test(&request, arrived, MPI_STATUS_IGNORE); }, what);
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
      MPI_Request request = MPI_REQUEST_NULL;
      const int code =
          MPI_Ibcast(bytes.data() + at, static_cast<int>(count), MPI_BYTE, root, MPI_COMM_WORLD, &request);
      if (auto done = checked(code, "MPI_Ibcast"); !done) return done;
      if (auto done = wait_for(request, "MPI_Ibcast"); !done) return done;
    }
    return {};
  }

  Result<void> all_to_all(std::span<const std::byte> sent, std::span<std::byte> received,
                          std::span<const std::size_t> sizes) override {
    const std::size_t own = sizes[static_cast<std::size_t>(rank_)];
    Messages messages;
    std::size_t at = 0;
    for (int other = 0; other < size_; ++other) {
      const std::size_t bytes = sizes[static_cast<std::size_t>(other)];
      const auto from = received.subspan(static_cast<std::size_t>(other) * own, own);
      if (other == rank_) {
        std::memcpy(from.data(), sent.data() + at, own);
      } else {
        if (auto done = messages.receive(from, other); !done) return done;
        if (auto done = messages.send(sent.subspan(at, bytes), other); !done) return done;
      }
      at += bytes;
    }
    return messages.finish();
  }

  Result<void> all_gather(std::span<const std::byte> own, std::span<std::byte> all,
                          std::span<const std::size_t> sizes) override {
    Messages messages;
    std::size_t at = 0;
    for (int other = 0; other < size_; ++other) {
      const auto part = all.subspan(at, sizes[static_cast<std::size_t>(other)]);
      at += part.size();
      if (other == rank_) {
        if (part.data() != own.data()) std::memcpy(part.data(), own.data(), own.size());
        continue;
      }
      if (auto done = messages.receive(part, other); !done) return done;
      if (auto done = messages.send(own, other); !done) return done;
    }
    return messages.finish();
  }

  Result<void> wait_for_all() override {
    MPI_Request request = MPI_REQUEST_NULL;
    if (auto done = checked(MPI_Ibarrier(MPI_COMM_WORLD, &request), "MPI_Ibarrier"); !done) return done;
    return wait_for(request, "MPI_Ibarrier");
  }

  [[noreturn]] void abort(int exit_code) override {
    MPI_Abort(MPI_COMM_WORLD, exit_code);
    std::_Exit(exit_code);
  }

 private:
  // Messages between pairs of ranks that are under way together. MPI keeps those of one pair in their order.
  class Messages {
   public:
    Result<void> receive(std::span<std::byte> into, int from) {
      return in_pieces(into, [&](std::byte* data, int count, MPI_Request* request) {
        return checked(MPI_Irecv(data, count, MPI_BYTE, from, kTag, MPI_COMM_WORLD, request), "MPI_Irecv");
      });
    }
    Result<void> send(std::span<const std::byte> bytes, int to) {
      return in_pieces(bytes, [&](const std::byte* data, int count, MPI_Request* request) {
        return checked(MPI_Isend(data, count, MPI_BYTE, to, kTag, MPI_COMM_WORLD, request), "MPI_Isend");
      });
    }
    Result<void> finish() {
      const auto test = [&](int* arrived) {
        return MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), arrived, MPI_STATUSES_IGNORE);
      };
      return wait_until(test, "MPI_Testall");
    }

   private:
    static constexpr int kTag = 1;

    template <class Byte, class Start>
    Result<void> in_pieces(std::span<Byte> bytes, Start&& start) {
      for (std::size_t at = 0; at < bytes.size(); at += kPiece) {
        const auto count = static_cast<int>(std::min(kPiece, bytes.size() - at));
        requests_.push_back(MPI_REQUEST_NULL);
        if (auto done = start(bytes.data() + at, count, &requests_.back()); !done) return done;
      }
      return {};
    }

    std::vector<MPI_Request> requests_;
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
