// One process of a group: takes part in every call of it and prints "fine", or says what is wrong.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "core/base/installation.hpp"
#include "core/comm/launch.hpp"

namespace {

using namespace caddie;

void stop(comm::ProcessGroup& group, const std::string& why) {
  fmt::print(stderr, "rank {}: {}\n", group.rank(), why);
  std::fflush(stderr);
  group.abort(9);
}

void expect(comm::ProcessGroup& group, const Result<void>& done, bool right, const char* what) {
  if (!done) stop(group, done.error().message());
  if (!right) stop(group, std::string(what) + " gave other values");
}

// Value i of what rank `from` sends to rank `to`.
std::uint32_t value(int from, int to, std::size_t i) {
  return static_cast<std::uint32_t>(from) * 1'000'000u + static_cast<std::uint32_t>(to) * 100'000u +
         static_cast<std::uint32_t>(i);
}

// Rank r's part of an exchange: parts differ in length, and some are empty.
std::size_t length(int rank, std::size_t count) { return rank % 3 == 2 ? 0 : count + 7 * static_cast<std::size_t>(rank); }

void exchange(comm::ProcessGroup& group, std::size_t count) {
  std::vector<std::size_t> sizes;
  for (int rank = 0; rank < group.size(); ++rank) sizes.push_back(length(rank, count) * sizeof(std::uint32_t));
  const std::size_t mine = length(group.rank(), count);

  std::vector<std::uint32_t> sent, received(static_cast<std::size_t>(group.size()) * mine);
  for (int to = 0; to < group.size(); ++to)
    for (std::size_t i = 0; i < length(to, count); ++i) sent.push_back(value(group.rank(), to, i));
  const auto done = group.all_to_all(std::as_bytes(std::span(sent)), std::as_writable_bytes(std::span(received)), sizes);
  bool right = true;
  for (std::size_t i = 0; i < received.size(); ++i)
    right = right && received[i] == value(static_cast<int>(i / mine), group.rank(), i % mine);
  expect(group, done, right, "all_to_all");

  std::vector<std::uint32_t> expected;
  std::size_t own = 0;
  for (int rank = 0; rank < group.size(); ++rank) {
    if (rank == group.rank()) own = expected.size();
    for (std::size_t i = 0; i < length(rank, count); ++i) expected.push_back(value(rank, 0, i));
  }
  const auto part = std::span(expected).subspan(own, mine);
  std::vector<std::uint32_t> all(expected.size());
  const auto gathered = group.all_gather(std::as_bytes(part), std::as_writable_bytes(std::span(all)), sizes);
  expect(group, gathered, all == expected, "all_gather");
  // From its own place.
  all.assign(all.size(), 0);
  std::ranges::copy(part, all.begin() + static_cast<std::ptrdiff_t>(own));
  const auto again = group.all_gather(std::as_bytes(std::span(all).subspan(own, mine)),
                                      std::as_writable_bytes(std::span(all)), sizes);
  expect(group, again, all == expected, "all_gather in place");
}

}  // namespace

int main() {
  auto opened = comm::open_process_group(program_path());
  if (!opened) {
    fmt::print(stderr, "{}\n", opened.error().message());
    return 8;
  }
  comm::ProcessGroup& group = **opened;
  for (const std::size_t count : {1, 3, 1023, 4096, 100'000}) exchange(group, count);
  const auto ranks = comm::everybodys(group, group.rank());
  expect(group, ranks ? Result<void>() : Result<void>(ranks.error()),
         ranks && static_cast<int>(ranks->size()) == group.size() && ranks->back() == group.size() - 1, "everybodys");
  double number = group.rank() == 0 ? 0.1 : -1;
  const auto agreed = comm::agree(group, number);
  expect(group, agreed, number == 0.1, "agree");
  expect(group, group.wait_for_all(), true, "wait_for_all");
  if (group.rank() == 0) fmt::print("fine with {}\n", group.size());
}
