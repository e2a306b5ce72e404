#include "core/plugins/scanner.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <optional>
#include <thread>

namespace caddie::plugins {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kLongestAnswer = 1u << 20;

struct Child {
  pid_t pid = -1;
  int output = -1;
};

// Standard input and error are /dev/null, standard output is a pipe; its own process group, so that all of it can be
// ended.
int start(const std::vector<std::string>& command, const std::vector<std::string>& files, Child& child) {
  int pipe_ends[2];
  if (::pipe2(pipe_ends, O_CLOEXEC) != 0) return errno;
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  for (const std::string& file : files) arguments.push_back(const_cast<char*>(file.c_str()));
  arguments.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDOUT_FILENO);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  const int code = ::posix_spawn(&child.pid, arguments[0], &actions, &attributes, arguments.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(pipe_ends[1]);
  if (code != 0) {
    ::close(pipe_ends[0]);
    return code;
  }
  child.output = pipe_ends[0];
  return 0;
}

enum class Stop { all_answered, end_of_output, timed_out, too_long };

int milliseconds_until(Clock::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return static_cast<int>(std::clamp<long long>(left, 0, 1'000'000));
}

// Reads lines until there are `wanted`. Every complete line moves the deadline.
Stop read_answers(int fd, std::size_t wanted, Clock::duration timeout, std::vector<std::string>& lines) {
  std::string pending;
  auto deadline = Clock::now() + timeout;
  std::vector<char> buffer(1u << 16);
  while (lines.size() < wanted) {
    pollfd waiting{fd, POLLIN, 0};
    const int ready = ::poll(&waiting, 1, milliseconds_until(deadline));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return Stop::timed_out;
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return Stop::end_of_output;
    pending.append(buffer.data(), static_cast<std::size_t>(got));
    for (std::size_t end = 0; lines.size() < wanted && (end = pending.find('\n')) != std::string::npos;) {
      if (end > kLongestAnswer) return Stop::too_long;
      lines.push_back(pending.substr(0, end));
      pending.erase(0, end + 1);
      deadline = Clock::now() + timeout;
    }
    if (pending.size() > kLongestAnswer) return Stop::too_long;
    if (Clock::now() >= deadline) return Stop::timed_out;
  }
  return Stop::all_answered;
}

// The exit status; nothing when it had to be killed.
std::optional<int> end_child(pid_t pid, Clock::time_point deadline) {
  int status = 0;
  for (;;) {
    const pid_t waited = ::waitpid(pid, &status, WNOHANG);
    if (waited == pid) {
      ::kill(-pid, SIGKILL);  // what it may have started
      return status;
    }
    if (waited < 0 && errno != EINTR) return std::nullopt;
    if (Clock::now() >= deadline) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ::kill(-pid, SIGKILL);
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return std::nullopt;
}

std::string describe_end(std::optional<int> status, double timeout_seconds) {
  if (!status) return fmt::format("did not answer within {} s while being described, and was stopped", timeout_seconds);
  if (WIFSIGNALED(*status)) {
    return fmt::format("crashed while being described: signal {} ({})", WTERMSIG(*status),
                       ::strsignal(WTERMSIG(*status)));
  }
  return fmt::format("ended the scanner with exit code {} while being described", WEXITSTATUS(*status));
}

}  // namespace

ScannerAnswer run_scanner(const std::vector<std::string>& command, const std::vector<std::string>& files,
                          double timeout_seconds) {
  ScannerAnswer answer;
  Child child;
  if (const int code = start(command, files, child); code != 0) {
    answer.started = false;
    answer.failure = fmt::format("cannot run the scanner \"{}\": {}", command.front(), std::strerror(code));
    return answer;
  }
  const auto timeout = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(timeout_seconds));
  const Stop stop = read_answers(child.output, files.size(), timeout, answer.lines);
  ::close(child.output);
  // A child that still runs although its answers are over, or never come, gets no more time.
  const bool kill_now = stop == Stop::timed_out || stop == Stop::too_long;
  const auto status = end_child(child.pid, kill_now ? Clock::now() : Clock::now() + timeout);
  if (stop == Stop::too_long) {
    answer.failure = "its description has more than 1 MiB";
  } else if (stop != Stop::all_answered) {
    answer.failure = describe_end(stop == Stop::timed_out ? std::nullopt : status, timeout_seconds);
  }
  return answer;
}

}  // namespace caddie::plugins
