#include "runner/check/isolation.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <optional>
#include <vector>

namespace caddie::check {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kCallSize = 512;

class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  [[nodiscard]] int get() const { return descriptor_; }

 private:
  int descriptor_;
};

class SharedText {
 public:
  SharedText()
      : memory_(
            static_cast<char*>(::mmap(nullptr, kCallSize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {
  }
  SharedText(const SharedText&) = delete;
  SharedText& operator=(const SharedText&) = delete;
  ~SharedText() {
    if (memory_ != MAP_FAILED) ::munmap(memory_, kCallSize);
  }
  [[nodiscard]] bool good() const { return memory_ != MAP_FAILED; }
  [[nodiscard]] char* data() const { return memory_; }
  [[nodiscard]] std::string text() const { return {memory_, ::strnlen(memory_, kCallSize)}; }

 private:
  char* memory_;
};

void write_all(int file, const std::string& text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t put = ::write(file, text.data() + done, text.size() - done);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return;
    done += static_cast<std::size_t>(put);
  }
}

[[noreturn]] void child(const std::function<std::string(const Workspace&)>& body, const Workspace& workspace,
                        int answers, int out, int err) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::setpgid(0, 0);
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  // One more byte than the answer says that it is whole.
  write_all(answers, body(workspace) + '\n');
  ::_exit(0);
}

// Reads until the pipe ends or the time is over.
bool read_answer(int pipe, Clock::time_point deadline, std::string& answer) {
  std::vector<char> buffer(1u << 16);
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    pollfd waiting{pipe, POLLIN, 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(std::min<long long>(left, 1'000'000)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return false;
    const ssize_t got = ::read(pipe, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return true;
    answer.append(buffer.data(), static_cast<std::size_t>(got));
    if (answer.back() == '\n') return true;
  }
}

// The first line of standard error that says something.
std::string complaint(int err) {
  std::array<char, 4096> buffer{};
  const ssize_t got = ::pread(err, buffer.data(), buffer.size(), 0);
  std::string text(buffer.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  std::string line;
  while (!text.empty() && line.empty()) {
    const std::size_t end = text.find('\n');
    line = text.substr(0, end);
    if (line.find_first_not_of(" =\t") == std::string::npos) line.clear();
    text = end == std::string::npos ? "" : text.substr(end + 1);
  }
  return line.substr(0, 160);
}

std::string describe(std::optional<int> status, double timeout_seconds, const std::string& call,
                     const std::string& said) {
  const std::string where = call.empty() ? "" : " " + call;
  const std::string words = said.empty() ? "" : fmt::format(" (\"{}\")", said);
  if (!status) return fmt::format("does not come back within {} s{}", timeout_seconds, where);
  if (WIFSIGNALED(*status)) {
    return fmt::format("ends the process{}: signal {}, {}{}", where, WTERMSIG(*status), ::strsignal(WTERMSIG(*status)),
                       words);
  }
  return fmt::format("ends the process{} with exit code {}{}", where, WEXITSTATUS(*status), words);
}

}  // namespace

Ended run_isolated(const std::function<std::string(const Workspace&)>& body, double timeout_seconds) {
  Ended ended;
  int ends[2];
  const SharedText call;
  const File out(::memfd_create("stdout", MFD_CLOEXEC));
  const File err(::memfd_create("stderr", MFD_CLOEXEC));
  if (!call.good() || out.get() < 0 || err.get() < 0 || ::pipe2(ends, O_CLOEXEC) != 0) {
    ended.death = fmt::format("could not be checked: {}", std::strerror(errno));
    return ended;
  }
  const File reading(ends[0]);
  std::fflush(nullptr);  // or the child would print it again
  const pid_t pid = ::fork();
  if (pid == 0) child(body, {call.data(), kCallSize}, ends[1], out.get(), err.get());
  ::close(ends[1]);
  if (pid < 0) {
    ended.death = fmt::format("could not be checked: no process could be started: {}", std::strerror(errno));
    return ended;
  }
  const auto timeout = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(timeout_seconds));
  const bool in_time = read_answer(reading.get(), Clock::now() + timeout, ended.answer);
  ended.answered = !ended.answer.empty() && ended.answer.back() == '\n';
  if (!in_time || ended.answered) {
    ::kill(pid, SIGKILL);
    ::kill(-pid, SIGKILL);
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  ::kill(-pid, SIGKILL);  // what the plugin may have started
  if (ended.answered) {
    ended.answer.pop_back();
  } else {
    ended.death =
        describe(in_time ? std::optional(status) : std::nullopt, timeout_seconds, call.text(), complaint(err.get()));
  }
  return ended;
}

}  // namespace caddie::check
