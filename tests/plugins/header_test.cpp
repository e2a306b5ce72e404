// The public headers stand alone: every compiler that is here, in every language version plugins may be written in.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "core/base/file.hpp"
#include "tests/plugins/fixtures.hpp"
#include "test_paths.hpp"

namespace caddie::plugins {
namespace {

using testing::TemporaryFolder;

bool runs(const std::string& command) { return std::system((command + " >/dev/null 2>&1").c_str()) == 0; }

const std::string kInclude = std::string(" -I") + CADDIE_SOURCE_DIR + "/sdk/include";

struct Language {
  const char* compilers[2];
  const char* language;
  const char* options;
};

TEST(Headers, TheAbiCompilesAloneAndTwice) {
  const TemporaryFolder folder;
  ASSERT_TRUE(write_atomically(folder.path() / "abi.inc",
                               "#include <caddie/abi.h>\n#include <caddie/abi.h>\n#include <caddie/ops.h>\n"
                               "#include <caddie/ops.h>\nint unused_here;\n")
                  .ok());
  const Language languages[] = {{{"gcc", "clang"}, "c", "c99 -Wpadded"},
                                {{"gcc", "clang"}, "c", "c11"},
                                {{"g++", "clang++"}, "c++", "c++11"},
                                {{"g++", "clang++"}, "c++", "c++14"},
                                {{"g++", "clang++"}, "c++", "c++17"},
                                {{"g++", "clang++"}, "c++", "c++20"}};
  int checked = 0;
  for (const Language& language : languages) {
    for (const std::string compiler : language.compilers) {
      if (!runs(compiler + " --version")) continue;
      const std::string command = compiler + " -x " + language.language +
                                  " -fsyntax-only -pedantic -Wall -Wextra -Werror -std=" + language.options + kInclude +
                                  " " + (folder.path() / "abi.inc").string();
      EXPECT_EQ(std::system(command.c_str()), 0) << command;
      ++checked;
    }
  }
  if (checked == 0) GTEST_SKIP() << "no compiler here";
}

// Each header alone is compiled by the build (sdk_headers in CMakeLists.txt); here all of them by every compiler.
TEST(Headers, TheWrapperCompilesWithEveryCompiler) {
  const TemporaryFolder folder;
  const std::filesystem::path source = folder.path() / "plugin.cpp";
  ASSERT_TRUE(write_atomically(source, "#include <caddie/plugin.hpp>\n#include <caddie/plugin.hpp>\n").ok());
  int checked = 0;
  for (const std::string compiler : {"g++", "clang++"}) {
    if (!runs(compiler + " --version")) continue;
    const std::string command = compiler + " -fsyntax-only -std=c++20 -Wall -Wextra -Wpedantic -Wconversion -Werror" +
                                kInclude + " " + source.string();
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
    ++checked;
  }
  if (checked == 0) GTEST_SKIP() << "no compiler here";
}

}  // namespace
}  // namespace caddie::plugins
