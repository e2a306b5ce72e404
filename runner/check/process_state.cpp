#include "runner/check/process_state.hpp"

#include <fmt/format.h>
#include <stdio_ext.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cfenv>
#include <climits>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <cstring>

namespace caddie::check {
namespace {

constexpr std::array<int, 8> kSignals{SIGINT, SIGTERM, SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGPIPE, SIGALRM};

unsigned control_register() {
#ifdef __SSE__
  constexpr unsigned flags = 0x3F;  // which exceptions happened: any arithmetic may set these
  return __builtin_ia32_stmxcsr() & ~flags;
#else
  return 0;
#endif
}

long thread_count() {
  struct stat info {};  // the folder has an entry for each thread beside "." and ".."
  return ::stat("/proc/self/task", &info) == 0 ? static_cast<long>(info.st_nlink) - 2 : 0;
}

long long bytes_printed() {
  if (::__fpending(stdout) > 0) std::fflush(stdout);
  struct stat info {};
  return ::fstat(STDOUT_FILENO, &info) == 0 ? static_cast<long long>(info.st_size) : 0;
}

// The beginning of what stands in standard output from `from` on.
std::string printed_text(long long from) {
  std::array<char, 60> text{};
  const ssize_t got = ::pread(STDOUT_FILENO, text.data(), text.size(), from);
  if (got <= 0) return "";
  std::string shown(text.data(), static_cast<std::size_t>(got));
  return shown.substr(0, shown.find('\n'));
}

}  // namespace

ProcessState ProcessState::now() {
  ProcessState state;
  state.rounding_ = std::fegetround();
  state.control_ = control_register();
  if (const char* name = std::setlocale(LC_ALL, nullptr); name != nullptr) state.locale_ = name;
  state.thread_locale_ = ::uselocale(nullptr);
  state.threads_ = thread_count();
  state.printed_ = bytes_printed();
  std::array<char, PATH_MAX> folder{};
  if (::getcwd(folder.data(), folder.size()) != nullptr) state.folder_ = folder.data();
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    struct sigaction action {};
    if (::sigaction(kSignals[i], nullptr, &action) != 0) continue;
    static_assert(sizeof action.sa_handler == sizeof(void*));
    std::memcpy(&state.handlers_[i], &action.sa_handler, sizeof(void*));
  }
  return state;
}

std::string ProcessState::change_since(const ProcessState& before) const {
  if (printed_ != before.printed_) {
    return fmt::format("prints to standard output, which belongs to the program (\"{}\"); use the host's log",
                       printed_text(before.printed_));
  }
  if (rounding_ != before.rounding_ || control_ != before.control_) {
    return "changes the floating-point environment (rounding, denormals or traps): every later number of the process "
           "would differ; put it back before returning";
  }
  if (locale_ != before.locale_ || thread_locale_ != before.thread_locale_) {
    return fmt::format("changes the locale (\"{}\" before, \"{}\" now), with which numbers are read and written",
                       before.locale_, locale_);
  }
  if (threads_ > before.threads_) {
    return fmt::format("starts {} thread{}; a plugin starts none: what it does in steps runs in the host's",
                       threads_ - before.threads_, threads_ - before.threads_ == 1 ? "" : "s");
  }
  if (folder_ != before.folder_) return fmt::format("changes the working folder to {}", folder_);
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    if (handlers_[i] != before.handlers_[i]) {
      return fmt::format("changes the handler of signal {} ({})", kSignals[i], ::strsignal(kSignals[i]));
    }
  }
  return "";
}

}  // namespace caddie::check
