// What the pages and the headers show as plugins compiles: every block of C++ or C that includes the SDK.
#include <gmock/gmock.h>

#include <fstream>
#include <regex>
#include <sstream>

#include "core/base/file.hpp"
#include "test_paths.hpp"
#include "tests/plugins/abi/toolchain.hpp"

namespace caddie::abi_test {
namespace {

namespace fs = std::filesystem;

struct Example {
  std::string where;
  std::string language;  // "cpp" or "c"
  std::string code;
};

void add_from_page(const fs::path& page, std::vector<Example>& examples) {
  const std::string text = *read_text(page);
  for (std::size_t at = 0; (at = text.find("```c", at)) != std::string::npos;) {
    const std::size_t line = text.find('\n', at);
    const std::size_t end = text.find("\n```", line);
    if (line == std::string::npos || end == std::string::npos) return;
    const std::string language = text.substr(at + 3, line - at - 3);
    const std::string code = text.substr(line + 1, end - line);
    if ((language == "cpp" || language == "c") && code.find("#include <caddie/") != std::string::npos)
      examples.push_back({page.string(), language, code});
    at = end + 4;
  }
}

// The example in a header's first comment: lines of "//   ", from an include of the SDK on, or as members of a plugin.
void add_from_header(const fs::path& header, std::vector<Example>& examples) {
  std::istringstream lines(*read_text(header));
  std::string line;
  std::string code;
  while (std::getline(lines, line) && line.starts_with("//")) {
    if (line.starts_with("//   ")) code += line.substr(5) + "\n";
    if (line == "//") code += "\n";
  }
  if (code.find("#include <caddie/") != std::string::npos) examples.push_back({header.string(), "cpp", code});
}

TEST(Documents, EveryPluginTheyShowCompiles) {
  const fs::path root = CADDIE_SOURCE_DIR;
  std::vector<Example> examples;
  for (const char* folder : {"docs", "plugins", "sdk"}) {
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      if (entry.path().extension() == ".md") add_from_page(entry.path(), examples);
      if (entry.path().extension() == ".hpp") add_from_header(entry.path(), examples);
    }
  }
  for (const char* page : {"README.md", "CONTRIBUTING.md"}) add_from_page(root / page, examples);
  EXPECT_GE(examples.size(), 2u);
  if (!is_installed("g++")) GTEST_SKIP() << "g++ is not installed";
  const Scratch scratch;
  for (const Example& example : examples) {
    const fs::path source = scratch / ("example." + example.language);
    std::ofstream(source) << example.code;
    const std::string compiler = example.language == "c" ? "gcc -std=c99" : "g++ -std=c++20";
    const Command built = run_command(compiler + " -fsyntax-only -Wall -Wextra -I" + (root / "sdk/include").string() +
                                      " " + source.string());
    EXPECT_EQ(built.exit_code, 0) << example.where << "\n" << built.output;
  }
}

// Every macro call of a test in the tree, "TEST_F(Suite, Name)" without its blanks.
std::string all_tests() {
  std::string found;
  const std::regex test("TEST(_F|_P)?\\((\\w+), (\\w+)\\)");
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(CADDIE_SOURCE_DIR) / "tests")) {
    if (entry.path().extension() != ".cpp") continue;
    const std::string text = *read_text(entry.path());
    for (std::sregex_iterator at(text.begin(), text.end(), test), end; at != end; ++at)
      found += (*at)[2].str() + "." + (*at)[3].str() + "\n";
  }
  return found;
}

// docs/abi.md writes `Suite.Name`, `Suite.*`, and `.Name` for another test of the suite before it.
TEST(Documents, TheTestsThatTheAbiPageNamesExist) {
  const std::string page = *read_text(CADDIE_SOURCE_DIR "/docs/abi.md");
  const std::string tests = "\n" + all_tests();
  const std::regex named("`(?:Abi/)?([A-Z]\\w*)?\\.(\\w+|\\*)`");
  std::string suite;
  int count = 0;
  for (std::sregex_iterator at(page.begin(), page.end(), named), end; at != end; ++at) {
    if ((*at)[1].matched) suite = (*at)[1];
    const std::string name = (*at)[2];
    const std::string wanted = "\n" + suite + "." + (name == "*" ? "" : name + "\n");
    EXPECT_NE(tests.find(wanted), std::string::npos) << suite << "." << name << " is named on the page, and is no test";
    ++count;
  }
  EXPECT_GT(count, 50);
}

}  // namespace
}  // namespace caddie::abi_test
