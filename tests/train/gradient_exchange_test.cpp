// One rank of a group whose others are made up.
#include "core/train/gradient_exchange.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/cpu/cpu_executor.hpp"
#include "tests/train/support.hpp"

namespace caddie::train {
namespace {

using test::must;
using test::value_of;

plugins::TensorDeclaration tensor(const std::string& path, const graph::Shape& shape) {
  plugins::TensorDeclaration made;
  made.path = path;
  made.role = "matrix";
  made.shape = shape;
  return made;
}

// Rank 1 of 3. The gradients of the others are this rank's plus 10 times their distance from it, element by element; in
// the gather the others' shares are zeros.
class MadeUp final : public comm::ProcessGroup {
 public:
  [[nodiscard]] int rank() const override { return 1; }
  [[nodiscard]] int size() const override { return 3; }
  Result<void> broadcast(std::span<std::byte>, int) override { return {}; }
  Result<void> all_to_all(std::span<const std::byte> sent, std::span<std::byte> received,
                          std::span<const std::size_t> sizes) override {
    EXPECT_EQ(sent.size(), sizes[0] + sizes[1] + sizes[2]);
    EXPECT_EQ(received.size(), 3 * sizes[1]);
    for (int from = 0; from < 3; ++from) {
      std::vector<float> values(sizes[1] / sizeof(float));
      std::memcpy(values.data(), sent.data() + sizes[0], sizes[1]);  // what this rank keeps of its own
      for (float& value : values) value += 10.0f * static_cast<float>(from - 1);
      std::memcpy(received.data() + static_cast<std::size_t>(from) * sizes[1], values.data(), sizes[1]);
    }
    return {};
  }
  Result<void> all_gather(std::span<const std::byte> own, std::span<std::byte> all,
                          std::span<const std::size_t> sizes) override {
    ++gathers;
    std::ranges::fill(all, std::byte{0});
    std::ranges::copy(own, all.begin() + static_cast<std::ptrdiff_t>(sizes[0]));
    return {};
  }
  Result<void> wait_for_all() override { return {}; }
  [[noreturn]] void abort(int code) override { std::exit(code); }

  int gathers = 0;
};

class Doubling final : public comm::DeviceGroup {
 public:
  Result<void> sum(float* memory, std::size_t count) override {
    for (std::size_t i = 0; i < count; ++i) memory[i] *= 2;
    return {};
  }
  Result<void> hand_out(std::span<const comm::DevicePiece>) override { return {}; }
};

class Exchange : public testing::Test {
 protected:
  std::unique_ptr<graph::Executor> executor = cpu::make_cpu_executor({});
  // A bank of three members, one of one, and a frozen one. This rank has the last two members of the first.
  ParameterStore store = value_of(ParameterStore::make(
      *executor, {tensor("a", {2}), tensor("b", {2}), tensor("c", {2}), tensor("d", {3}), tensor("e", {5})},
      {0, 0, 0, 0, kNoOwner}, {"owner"}));
  const Shares shares = {{{0, 0, 1}}, {{0, 1, 2}}, {{1, 0, 1}}};

  void set(const std::string& path, const std::vector<float>& values) {
    must(executor->upload(store.gradient(path), std::as_bytes(std::span(values))));
  }
  std::vector<float> get(const std::string& path) { return value_of(store.download_gradient(path)); }
};

TEST_F(Exchange, AddsItsShareOverRoundsAndRanks) {
  MadeUp group;
  const auto exchange = ordered_exchange(*executor, store, group, shares);
  EXPECT_FALSE(exchange->adds_own_first());
  set("a", {1, 2});
  set("b", {3, 4});
  set("c", {5, 6});
  set("d", {7, 8, 9});
  must(exchange->add(0));
  set("b", {0, 1});
  must(exchange->add(1));
  must(exchange->finish(true));
  // Three ranks, two rounds; tens cancel.
  EXPECT_EQ(get("a"), (std::vector<float>{0, 0}));
  EXPECT_EQ(get("b"), (std::vector<float>{9, 15}));
  EXPECT_EQ(get("c"), (std::vector<float>{30, 36}));
  EXPECT_EQ(get("d"), (std::vector<float>{0, 0, 0}));
  EXPECT_EQ(group.gathers, 1);
  // The next step starts anew.
  set("b", {0, 2});
  must(exchange->add(0));
  must(exchange->finish(true));
  EXPECT_EQ(get("b"), (std::vector<float>{0, 6}));
}

TEST_F(Exchange, GivesTheSumOfItsOwnMembersAlone) {
  MadeUp group;
  const auto exchange = ordered_exchange(*executor, store, group, shares);
  set("a", {1, 2});
  set("b", {3, 4});
  set("c", {5, 6});
  set("d", {7, 8, 9});
  must(exchange->add(0));
  must(exchange->finish(false));
  EXPECT_EQ(get("a"), (std::vector<float>{1, 2}));  // its own micro-batch
  EXPECT_EQ(get("b"), (std::vector<float>{9, 12}));
  EXPECT_EQ(get("c"), (std::vector<float>{15, 18}));
  EXPECT_EQ(group.gathers, 0);
}

TEST_F(Exchange, DevicesSumInPlaceOnceAStep) {
  Doubling devices;
  const auto exchange = device_exchange(*executor, store, devices);
  EXPECT_TRUE(exchange->adds_own_first());
  set("a", {1, 2});
  set("d", {5, 6, 7});
  must(exchange->add(0));
  must(exchange->finish(true));
  EXPECT_EQ(get("a"), (std::vector<float>{2, 4}));
  EXPECT_EQ(get("d"), (std::vector<float>{10, 12, 14}));
}

}  // namespace
}  // namespace caddie::train
