#include "runner/check/memory.hpp"

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <filesystem>
#include <limits>

#include "core/base/text.hpp"
#include "runner/check/failure.hpp"

// Only there under AddressSanitizer, whose allocator mallinfo2 knows nothing of.
extern "C" std::size_t __sanitizer_get_current_allocated_bytes() __attribute__((weak));

namespace caddie::check {

std::int64_t bytes_in_use() {
  if (&__sanitizer_get_current_allocated_bytes != nullptr)
    return static_cast<std::int64_t>(__sanitizer_get_current_allocated_bytes());
  const struct mallinfo2 info = ::mallinfo2();
  const auto bytes = static_cast<std::int64_t>(info.uordblks + info.hblkhd);
  return bytes > 0 ? bytes : -1;  // another allocator serves this process
}

int open_files() {
  std::error_code code;
  int count = 0;
  for (std::filesystem::directory_iterator at("/proc/self/fd", code), end; !code && at != end; at.increment(code))
    ++count;
  return count;
}

namespace {

// Bytes that each call leaves behind: the least over three thirds, for a leak is paid every time, while tables that
// grow once and the allocator's own lists show in one of them.
std::int64_t growth_of_each(int count, const std::function<void()>& body) {
  constexpr int kParts = 3;
  const int each = (count + kParts - 1) / kParts;
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  for (int part = 0; part < kParts; ++part) {
    const std::int64_t start = bytes_in_use();
    for (int i = 0; i < each; ++i) body();
    least = std::min(least, (bytes_in_use() - start) / each);
  }
  return least;
}

}  // namespace

std::string repeat_without_growth(const std::string& what, int count, const std::function<void()>& body) {
  constexpr std::int64_t kNone = 8;  // half the smallest allocation
  for (int i = 0; i < std::clamp(count / 100, 2, 100); ++i) body();
  if (bytes_in_use() < 0) throw Skip("this build's allocator does not say how much is in use");
  const int files_before = open_files();
  std::int64_t grown = growth_of_each(count, body);
  // The allocator's own unrest does not grow with the number of calls.
  for (int more = 3; grown >= kNone && more <= 9; more *= 3)
    grown = std::min(grown, growth_of_each(more * count, body));
  const int files = open_files() - files_before;
  if (files > 0) throw Failure(fmt::format("{} leaves {} files open", what, files));
  if (grown >= kNone) throw Failure(fmt::format("{} leaks {} bytes each time; valgrind names the place", what, grown));
  return fmt::format("{} times without growth", with_separators(count));
}

}  // namespace caddie::check
