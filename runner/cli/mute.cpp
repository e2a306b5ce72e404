#include "runner/cli/mute.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

namespace caddie::cli {
namespace {

// On a busy machine the first process takes seconds to say what all have found, and the launcher to end the others.
constexpr auto kPatience = std::chrono::seconds(10);
int own_stderr = -1;  // as it was

std::string kept_text() {
  std::string text(static_cast<std::size_t>(::lseek(STDERR_FILENO, 0, SEEK_END)), '\0');
  const ssize_t count = ::pread(STDERR_FILENO, text.data(), text.size(), 0);
  text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  return text;
}

}  // namespace

void mute() {
  std::fflush(nullptr);
  const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  const int kept = ::memfd_create("stderr", MFD_CLOEXEC);
  if (nowhere < 0 || kept < 0) return;
  own_stderr = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
  ::dup2(nowhere, STDOUT_FILENO);
  ::dup2(kept, STDERR_FILENO);
  ::close(nowhere);
  ::close(kept);
}

void speak_after_all(const char* prefix) {
  if (own_stderr < 0) return;
  std::this_thread::sleep_for(kPatience);
  std::fflush(nullptr);
  const std::string text = kept_text();
  ::dup2(own_stderr, STDERR_FILENO);
  own_stderr = -1;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::fprintf(stderr, "%s%s\n", prefix, text.substr(begin, end - begin).c_str());
    begin = end + 1;
  }
}

}  // namespace caddie::cli
