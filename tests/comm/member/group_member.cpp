// One process of a group: takes part in every call of it and prints "fine", or says what is wrong.
#include <fmt/format.h>

#include <cstdint>
#include <cstdio>
#include <numeric>
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

void exchange(comm::ProcessGroup& group, std::size_t count) {
  const auto size = static_cast<std::size_t>(group.size());
  std::vector<std::uint32_t> sent, received(size * count), all(size * count), own;
  for (int to = 0; to < group.size(); ++to)
    for (std::size_t i = 0; i < count; ++i) sent.push_back(value(group.rank(), to, i));
  const auto done = group.all_to_all(std::as_bytes(std::span(sent)), std::as_writable_bytes(std::span(received)));
  bool right = true;
  for (std::size_t i = 0; i < received.size(); ++i)
    right = right && received[i] == value(static_cast<int>(i / count), group.rank(), i % count);
  expect(group, done, right, "all_to_all");

  for (std::size_t i = 0; i < count; ++i) own.push_back(value(group.rank(), 0, i));
  const auto gathered = group.all_gather(std::as_bytes(std::span(own)), std::as_writable_bytes(std::span(all)));
  right = true;
  for (std::size_t i = 0; i < all.size(); ++i) right = right && all[i] == value(static_cast<int>(i / count), 0, i % count);
  expect(group, gathered, right, "all_gather");
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
  double number = group.rank() == 0 ? 0.1 : -1;
  const auto agreed = comm::agree(group, number);
  expect(group, agreed, number == 0.1, "agree");
  expect(group, group.wait_for_all(), true, "wait_for_all");
  if (group.rank() == 0) fmt::print("fine with {}\n", group.size());
}
