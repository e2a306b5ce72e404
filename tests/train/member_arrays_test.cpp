#include "core/train/member_arrays.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "core/cpu/cpu_executor.hpp"
#include "tests/train/support.hpp"
#include "tests/train/thread_group.hpp"

namespace caddie::train {
namespace {

using namespace test;

Bank bank_of(std::size_t members) {
  Bank bank;
  bank.members.resize(members);
  return bank;
}

// A bank of three members with two arrays, and one whose three members stay whole, with five numbers of its own.
const std::vector<Bank> kBanks = {bank_of(3), bank_of(3)};
const Shares kShares = {{{0, 0, 1}}, {{0, 1, 2}}, {{1, 0, 3}}};

struct Memory {
  std::unique_ptr<graph::Executor> executor = cpu::make_cpu_executor({});
  graph::BufferPtr first = value_of(executor->allocate(3 * sizeof(float)));
  graph::BufferPtr second = value_of(executor->allocate(6 * sizeof(float)));
  graph::BufferPtr whole = value_of(executor->allocate(5 * sizeof(float)));
  MemberArrays arrays{{{0, first}, {0, second}, {1, whole}}, kBanks, kShares};

  void set(const graph::BufferPtr& buffer, float from) const {
    std::vector<float> values(buffer->size_bytes() / sizeof(float));
    std::iota(values.begin(), values.end(), from);
    must(executor->upload({buffer, 0}, std::as_bytes(std::span(values))));
  }
  [[nodiscard]] std::vector<float> get(const graph::BufferPtr& buffer) const {
    std::vector<float> values(buffer->size_bytes() / sizeof(float));
    must(executor->download(std::as_writable_bytes(std::span(values)), {buffer, 0}));
    return values;
  }
};

TEST(MemberArrays, LieByRankRangeAndArray) {
  const Memory memory;
  EXPECT_EQ(std::vector<std::size_t>(memory.arrays.bytes_of_ranks().begin(), memory.arrays.bytes_of_ranks().end()),
            (std::vector<std::size_t>{12, 24, 20}));
  EXPECT_EQ(memory.arrays.bytes(), 56u);
  memory.set(memory.first, 1);
  memory.set(memory.second, 10);
  std::vector<float> own(6);
  must(memory.arrays.download(*memory.executor, 1, std::as_writable_bytes(std::span(own))));
  EXPECT_EQ(own, (std::vector<float>{2, 3, 12, 13, 14, 15}));
  own = {-1, -2, -3, -4, -5, -6};
  must(memory.arrays.upload(*memory.executor, 1, std::as_bytes(std::span(own))));
  EXPECT_EQ(memory.get(memory.first), (std::vector<float>{1, -1, -2}));
  EXPECT_EQ(memory.get(memory.second), (std::vector<float>{10, 11, -3, -4, -5, -6}));
}

TEST(MemberArrays, AreHandedOut) {
  on_ranks(3, [](comm::ProcessGroup& group) {
    Memory memory;
    const auto rank = static_cast<float>(100 * group.rank());
    memory.set(memory.first, rank);
    memory.set(memory.second, rank + 10);
    memory.set(memory.whole, rank + 20);
    must(memory.arrays.hand_out(*memory.executor, {&group, nullptr}));
    EXPECT_EQ(memory.get(memory.first), (std::vector<float>{0, 101, 102}));
    EXPECT_EQ(memory.get(memory.second), (std::vector<float>{10, 11, 112, 113, 114, 115}));
    EXPECT_EQ(memory.get(memory.whole), (std::vector<float>{220, 221, 222, 223, 224}));
  });
}

// Keeps what it was given.
class Listing final : public comm::DeviceGroup {
 public:
  Result<void> sum(float*, std::size_t) override { return {}; }
  Result<void> hand_out(std::span<const comm::DevicePiece> pieces) override {
    given.assign(pieces.begin(), pieces.end());
    return {};
  }
  std::vector<comm::DevicePiece> given;
};

TEST(MemberArrays, AreHandedOutBetweenDevices) {
  on_ranks(3, [](comm::ProcessGroup& group) {
    Memory memory;
    Listing devices;
    must(memory.arrays.hand_out(*memory.executor, {&group, &devices}));
    std::vector<std::size_t> bytes;
    std::vector<int> roots;
    for (const comm::DevicePiece& piece : devices.given) {
      bytes.push_back(piece.bytes);
      roots.push_back(piece.root);
    }
    EXPECT_EQ(bytes, (std::vector<std::size_t>{4, 8, 8, 16, 20}));
    EXPECT_EQ(roots, (std::vector<int>{0, 0, 1, 1, 2}));
    EXPECT_EQ(devices.given[3].memory, static_cast<std::byte*>(memory.second->device_data()) + 8);
  });
}

}  // namespace
}  // namespace caddie::train
