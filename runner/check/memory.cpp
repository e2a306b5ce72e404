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

std::string repeat_without_growth(const std::string& what, int count, const std::function<void()>& body) {
  for (int i = 0; i < std::clamp(count / 100, 2, 100); ++i) body();
  const int files_before = open_files();
  // A leak is paid every time, so it shows in every third; a table that grows once does not.
  constexpr int kParts = 3;
  const int each = (count + kParts - 1) / kParts;
  const std::int64_t before = bytes_in_use();
  std::int64_t grown = std::numeric_limits<std::int64_t>::max();
  for (int part = 0; part < kParts; ++part) {
    const std::int64_t start = bytes_in_use();
    for (int i = 0; i < each; ++i) body();
    grown = std::min(grown, bytes_in_use() - start);
  }
  const int files = open_files() - files_before;
  if (files > 0)
    throw Failure(fmt::format("{} leaves {} files open after {} times", what, files, with_separators(kParts * each)));
  if (before >= 0 && grown >= std::int64_t{each} * 8) {  // half the smallest allocation
    throw Failure(fmt::format("{} leaks {} bytes each time; valgrind names the place", what, (grown + each / 2) / each));
  }
  if (before < 0) throw Skip("this build's allocator does not say how much is in use");
  return fmt::format("{} times without growth", with_separators(count));
}

}  // namespace caddie::check
