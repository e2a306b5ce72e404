#include "core/train/member_arrays.hpp"

#include <numeric>

namespace caddie::train {

MemberArrays::MemberArrays(const std::vector<MemberArray>& arrays, const std::vector<Bank>& banks, const Shares& shares)
    : pieces_(shares.size()), bytes_(shares.size(), 0) {
  for (std::size_t rank = 0; rank < shares.size(); ++rank) {
    for (const MemberRange& range : shares[rank]) {
      const std::size_t members = banks[range.bank].members.size();
      for (const MemberArray& array : arrays) {
        if (array.bank != range.bank) continue;
        const std::size_t all = array.buffer->size_bytes();
        const std::size_t bytes = all * static_cast<std::size_t>(range.count) / members;
        pieces_[rank].push_back({{array.buffer, all * static_cast<std::size_t>(range.first) / members}, bytes});
        bytes_[rank] += bytes;
      }
    }
  }
}

std::size_t MemberArrays::bytes() const { return std::accumulate(bytes_.begin(), bytes_.end(), std::size_t{0}); }

std::span<std::byte> MemberArrays::part(std::span<std::byte> all, int rank) const {
  const auto at = std::accumulate(bytes_.begin(), bytes_.begin() + rank, std::size_t{0});
  return all.subspan(at, bytes_[static_cast<std::size_t>(rank)]);
}

Result<void> MemberArrays::download(graph::Executor& executor, int rank, std::span<std::byte> to) const {
  for (const Piece& piece : pieces_[static_cast<std::size_t>(rank)]) {
    if (auto done = executor.download(to.first(piece.bytes), piece.view); !done) return done;
    to = to.subspan(piece.bytes);
  }
  return {};
}

Result<void> MemberArrays::upload(graph::Executor& executor, int rank, std::span<const std::byte> from) const {
  for (const Piece& piece : pieces_[static_cast<std::size_t>(rank)]) {
    if (auto done = executor.upload(piece.view, from.first(piece.bytes)); !done) return done;
    from = from.subspan(piece.bytes);
  }
  return {};
}

Result<void> MemberArrays::hand_out(graph::Executor& executor, const Peers& peers) {
  if (peers.size() == 1) return {};
  if (peers.devices != nullptr) return hand_out_on_devices(executor, *peers.devices);
  staging_.resize(bytes());
  const auto own = part(staging_, peers.rank());
  if (auto done = download(executor, peers.rank(), own); !done) return done;
  if (auto done = peers.processes->all_gather(own, staging_, bytes_); !done) return done;
  for (int rank = 0; rank < peers.size(); ++rank) {
    if (rank == peers.rank()) continue;
    if (auto done = upload(executor, rank, part(staging_, rank)); !done) return done;
  }
  return {};
}

Result<void> MemberArrays::hand_out_on_devices(graph::Executor& executor, comm::DeviceGroup& devices) const {
  if (auto done = executor.synchronize(); !done) return done;
  std::vector<comm::DevicePiece> pieces;
  for (std::size_t rank = 0; rank < pieces_.size(); ++rank) {
    for (const Piece& piece : pieces_[rank]) {
      auto* const memory = static_cast<std::byte*>(piece.view.buffer->device_data()) + piece.view.offset_bytes;
      pieces.push_back({memory, piece.bytes, static_cast<int>(rank)});
    }
  }
  return devices.hand_out(pieces);
}

}  // namespace caddie::train
