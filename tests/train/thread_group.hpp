// Process groups whose processes are threads of the test.
#pragma once

#include <algorithm>
#include <barrier>
#include <cstdlib>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "core/comm/process_group.hpp"

namespace caddie::train::test {

class ThreadGroup final : public comm::ProcessGroup {
 public:
  // What the ranks of a group have in common.
  struct Meeting {
    explicit Meeting(int size) : barrier(size), given(static_cast<std::size_t>(size)) {}
    std::barrier<> barrier;
    std::vector<std::span<const std::byte>> given;
  };
  ThreadGroup(int rank, std::shared_ptr<Meeting> meeting) : rank_(rank), meeting_(std::move(meeting)) {}

  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return static_cast<int>(meeting_->given.size()); }

  Result<void> broadcast(std::span<std::byte> bytes, int root) override {
    return meet(bytes, [&](const auto& given) {
      if (rank_ != root) std::ranges::copy(given[static_cast<std::size_t>(root)], bytes.begin());
    });
  }
  Result<void> all_to_all(std::span<const std::byte> sent, std::span<std::byte> received,
                          std::span<const std::size_t> sizes) override {
    std::size_t at = 0;
    for (int rank = 0; rank < rank_; ++rank) at += sizes[static_cast<std::size_t>(rank)];
    const std::size_t own = sizes[static_cast<std::size_t>(rank_)];
    return meet(sent, [&](const auto& given) {
      auto to = received.begin();
      for (const auto& from : given) to = std::ranges::copy(from.subspan(at, own), to).out;
    });
  }
  Result<void> all_gather(std::span<const std::byte> own, std::span<std::byte> all,
                          std::span<const std::size_t>) override {
    const std::vector<std::byte> mine(own.begin(), own.end());  // own may stand in all
    return meet(mine, [&](const auto& given) {
      auto to = all.begin();
      for (const auto& from : given) to = std::ranges::copy(from, to).out;
    });
  }
  Result<void> wait_for_all() override {
    return meet({}, [](const auto&) {});
  }
  [[noreturn]] void abort(int code) override { std::_Exit(code); }

 private:
  template <class Read>
  Result<void> meet(std::span<const std::byte> bytes, Read&& read) {
    meeting_->given[static_cast<std::size_t>(rank_)] = bytes;
    meeting_->barrier.arrive_and_wait();
    read(meeting_->given);
    meeting_->barrier.arrive_and_wait();
    return {};
  }

  int rank_;
  std::shared_ptr<Meeting> meeting_;
};

// Runs `body` for every rank of a group, each in a thread of its own. An exception in one ends the test program.
inline void on_ranks(int size, const std::function<void(comm::ProcessGroup&)>& body) {
  const auto meeting = std::make_shared<ThreadGroup::Meeting>(size);
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      ThreadGroup group(rank, meeting);
      body(group);
    });
  }
}

}  // namespace caddie::train::test
