#include "runner/cli/mute.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

namespace caddie::cli {
namespace {

int kept_stderr = -1;

}  // namespace

void mute() {
  std::fflush(nullptr);
  const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (nowhere < 0) return;
  kept_stderr = ::dup(STDERR_FILENO);
  ::dup2(nowhere, STDOUT_FILENO);
  ::dup2(nowhere, STDERR_FILENO);
  ::close(nowhere);
}

void unmute() {
  std::fflush(nullptr);
  if (kept_stderr >= 0) ::dup2(kept_stderr, STDERR_FILENO);
}

}  // namespace caddie::cli
