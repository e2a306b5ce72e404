// The plugins of sdk/examples: each passes `caddie plugins check` with its golden numbers, is short, and has all that the
// template gives; the nine interfaces are all there; what docs/writing-a-plugin.md shows stands in the sources.
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <sstream>

#include "core/base/file.hpp"
#include "runner/check/check.hpp"
#include "test_paths.hpp"

namespace caddie::check {
namespace {

namespace fs = std::filesystem;

const fs::path kExamples = fs::path(CADDIE_SOURCE_DIR) / "sdk/examples";

std::vector<std::string> ids() {
  std::vector<std::string> found;
  for (const auto& entry : fs::directory_iterator(kExamples))
    if (entry.is_directory()) found.push_back(entry.path().filename());
  std::ranges::sort(found);
  return found;
}

FileReport report_on(const std::string& id, std::vector<std::string> only = {}) {
  CheckOptions options;
  options.effort.cycles = 300;  // an author runs 10,000
  options.golden = {kExamples / id / "golden.json"};
  options.only = std::move(only);
  return check_file(fs::path(CADDIE_BUILD_DIR) / "lib/caddie/examples" / (id + ".so"), options);
}

class EveryExample : public testing::TestWithParam<std::string> {};

TEST_P(EveryExample, KeepsItsPromisesAndGivesItsNumbers) {
  const FileReport report = report_on(GetParam());
  bool golden = false;
  for (const PluginReport& plugin : report.plugins) {
    for (const CheckResult& check : plugin.checks) {
      EXPECT_NE(check.outcome, Outcome::fail) << check.name << ": " << check.text;
      golden = golden || (check.name == "golden" && check.outcome == Outcome::pass);
    }
  }
  EXPECT_TRUE(golden);
}

// Lines that are not blank, from the first include on.
TEST_P(EveryExample, IsShort) {
  const std::string source = *read_text(kExamples / GetParam() / (GetParam() + ".cpp"));
  std::istringstream lines(source.substr(source.find("#include")));
  int count = 0;
  for (std::string line; std::getline(lines, line);) count += line.empty() ? 0 : 1;
  EXPECT_LE(count, 60);
}

TEST_P(EveryExample, HasAllThatTheTemplateGives) {
  for (const char* file : {"README.md", "CMakeLists.txt", "golden.json", "try.json", "effect.json", ".gitignore"})
    EXPECT_TRUE(fs::exists(kExamples / GetParam() / file)) << file;
  const std::string readme = *read_text(kExamples / GetParam() / "README.md");
  for (const char* part : {"## Options", "## Switching it on and off", "## Effect measured", "## Citation"})
    EXPECT_THAT(readme, testing::HasSubstr(part));
}

INSTANTIATE_TEST_SUITE_P(OfTheSdk, EveryExample, testing::ValuesIn(ids()), [](const auto& info) {
  std::string name = info.param;
  std::ranges::replace(name, '-', '_');
  return name;
});

TEST(Examples, ThereIsOneOfEveryInterface) {
  std::set<std::string> interfaces;
  for (const std::string& id : ids())
    for (const PluginReport& plugin : report_on(id, {"loads"}).plugins) interfaces.insert(plugin.interface);
  EXPECT_THAT(interfaces, testing::UnorderedElementsAre("averager", "block", "compressor", "evaluator", "loader",
                                                        "optimizer", "quantizer", "schedule", "ttt"));
}

// Code that the guide shows is cut out of the examples, C out of the templates.
TEST(Examples, TheGuideShowsWhatTheyAre) {
  std::string sources;
  for (const char* folder : {"sdk/examples", "sdk/template"})
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(CADDIE_SOURCE_DIR) / folder))
      if (entry.path().extension() == ".cpp" || entry.path().extension() == ".c") sources += *read_text(entry.path());
  const std::string guide = *read_text(CADDIE_SOURCE_DIR "/docs/writing-a-plugin.md");
  int blocks = 0;
  for (std::size_t at = 0; (at = guide.find("\n```c", at)) != std::string::npos; ++blocks) {
    const std::size_t begin = guide.find('\n', at + 1) + 1;
    const std::size_t end = guide.find("\n```", begin);
    ASSERT_NE(end, std::string::npos);
    const std::string code = guide.substr(begin, end + 1 - begin);
    EXPECT_NE(sources.find(code), std::string::npos) << "no example has this:\n" << code;
    at = end + 4;
  }
  EXPECT_GE(blocks, 10);
  for (const std::string& id : ids()) EXPECT_THAT(guide, testing::HasSubstr("examples/" + id + "/" + id + ".cpp"));
}

}  // namespace
}  // namespace caddie::check
