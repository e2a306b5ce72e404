// The side of a scan that loads plugins: in a child process, so that what they do there harms nobody.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "core/plugins/description.hpp"
#include "core/plugins/registry.hpp"

namespace caddie::plugins {
namespace {

bool write_line(int fd, std::string line) {
  line += '\n';
  std::size_t done = 0;
  while (done < line.size()) {
    const ssize_t put = ::write(fd, line.data() + done, line.size() - done);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    done += static_cast<std::size_t>(put);
  }
  return true;
}

// What plugins print belongs to nobody: the answers go to a private copy of standard output.
int take_standard_output() {
  const int answers = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (nowhere >= 0) ::dup2(nowhere, STDOUT_FILENO);
  return answers;
}

std::string answer(const std::filesystem::path& path) {
  auto described = describe_file(path);
  const nlohmann::json line =
      described ? std::move(*described)
                : nlohmann::json{{"error", described.error().text}, {"code", static_cast<int>(described.error().code)}};
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

Result<nlohmann::json> describe_file(const std::filesystem::path& path) {
  const auto library = load_library(path);
  if (!library) return library.error();
  nlohmann::json plugins = nlohmann::json::array();
  for (const caddie_descriptor* descriptor : (*library)->descriptors) {
    auto plugin = to_json(*descriptor);
    if (!plugin) return Error{plugin.error().code, path.string(), plugin.error().text};
    plugins.push_back(std::move(*plugin));
  }
  return nlohmann::json{
      {"digest", (*library)->digest}, {"build_info", (*library)->build_info}, {"plugins", std::move(plugins)}};
}

void describe_and_exit(const std::vector<std::filesystem::path>& paths) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a plugin that hangs must not outlive who asked
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  const int answers = take_standard_output();
  int status = answers < 0 ? 1 : 0;
  for (const std::filesystem::path& path : paths) {
    if (status == 0 && !write_line(answers, answer(path))) status = 1;
  }
  ::_exit(status);  // no destructors of plugins
}

}  // namespace caddie::plugins
