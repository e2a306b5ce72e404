// Arrays that hold something of every member of banks (values, gradients, states), cut into the shares of processes.
// One thread.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "core/base/result.hpp"
#include "core/comm/device_group.hpp"
#include "core/comm/process_group.hpp"
#include "core/graph/executor.hpp"
#include "core/train/banks.hpp"
#include "core/train/shares.hpp"

namespace caddie::train {

// The processes of a run, each with a store of its own.
struct Peers {
  comm::ProcessGroup* processes = nullptr;  // nullptr: one process
  comm::DeviceGroup* devices = nullptr;     // of the processes' devices; nullptr: memory crosses through the hosts

  [[nodiscard]] int size() const { return processes == nullptr ? 1 : processes->size(); }
  [[nodiscard]] int rank() const { return processes == nullptr ? 0 : processes->rank(); }
};

// An array of a bank has as many bytes for each of its members; any number where one rank has the whole bank.
struct MemberArray {
  std::size_t bank = 0;
  graph::BufferPtr buffer;
};

class MemberArrays {
 public:
  MemberArrays() = default;
  MemberArrays(const std::vector<MemberArray>& arrays, const std::vector<Bank>& banks, const Shares& shares);

  // The shares lie one after another on the host, by rank; of a rank, by range and array.
  [[nodiscard]] std::span<const std::size_t> bytes_of_ranks() const { return bytes_; }
  [[nodiscard]] std::size_t bytes() const;
  [[nodiscard]] std::span<std::byte> part(std::span<std::byte> all, int rank) const;

  Result<void> download(graph::Executor& executor, int rank, std::span<std::byte> to) const;
  Result<void> upload(graph::Executor& executor, int rank, std::span<const std::byte> from) const;

  // Everybody's arrays get every rank's share, which that rank has right.
  Result<void> hand_out(graph::Executor& executor, const Peers& peers);

 private:
  struct Piece {
    graph::BufferView view;
    std::size_t bytes = 0;
  };
  Result<void> hand_out_on_devices(graph::Executor& executor, comm::DeviceGroup& devices) const;

  std::vector<std::vector<Piece>> pieces_;  // by rank
  std::vector<std::size_t> bytes_;          // by rank
  std::vector<std::byte> staging_;
};

}  // namespace caddie::train
