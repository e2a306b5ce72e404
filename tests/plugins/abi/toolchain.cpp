#include "tests/plugins/abi/toolchain.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>

#include "test_paths.hpp"

namespace caddie::abi_test {

namespace fs = std::filesystem;

Command run_command(const std::string& line) {
  Command result;
  std::FILE* pipe = ::popen(("exec 2>&1; " + line).c_str(), "r");
  if (pipe == nullptr) return {127, "cannot run a shell"};
  std::array<char, 4096> buffer{};
  for (std::size_t got = 0; (got = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    result.output.append(buffer.data(), got);
  const int status = ::pclose(pipe);
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
  return result;
}

bool is_installed(const std::string& command) { return run_command("command -v " + command).exit_code == 0; }

Scratch::Scratch() {
  std::string form = (fs::temp_directory_path() / "caddie-abi-XXXXXX").string();
  if (::mkdtemp(form.data()) != nullptr) path_ = form;
}

Scratch::~Scratch() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

fs::path build_plugin(const Scratch& scratch, const std::string& compiler, const std::string& source,
                      const std::string& name) {
  const std::string sdk = CADDIE_SOURCE_DIR "/sdk";
  const fs::path out = scratch / (name + ".so");
  const std::string line = compiler + " -fPIC -shared -fvisibility=hidden -ffp-contract=off -I" + sdk +
                           "/include -Wl,--version-script=" + sdk + "/cmake/plugin-exports.map " CADDIE_SOURCE_DIR "/" +
                           source + " -o " + out.string();
  const Command built = run_command(line);
  EXPECT_EQ(built.exit_code, 0) << line << "\n" << built.output;
  return out;
}

}  // namespace caddie::abi_test
