// Compilers in tests: what is installed, and building plugins with it.
#pragma once

#include <filesystem>
#include <string>

namespace caddie::abi_test {

// A command that can be run here.
bool is_installed(const std::string& command);

struct Command {
  int exit_code = 0;
  std::string output;  // both streams
};
Command run_command(const std::string& line);

// A folder that vanishes with the object.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Builds one source (relative to the sources) as a plugin that exports its entry alone: `compiler` with its options.
// A failure is a test failure.
std::filesystem::path build_plugin(const Scratch& scratch, const std::string& compiler, const std::string& source,
                                   const std::string& name);

}  // namespace caddie::abi_test
