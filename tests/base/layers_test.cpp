// The house keeps its arrows: runner -> core -> sdk, plugins -> sdk; and neither core nor runner names a technique.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>
#include "test_paths.hpp"

namespace {

const std::filesystem::path kRoot = CADDIE_SOURCE_DIR;

std::vector<std::filesystem::path> sources(const char* folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kRoot / folder)) {
    const std::string extension = entry.path().extension();
    if (extension == ".cpp" || extension == ".hpp" || extension == ".h" || extension == ".def" || extension == ".c") files.push_back(entry.path());
  }
  return files;
}

std::string content(const std::filesystem::path& path) {
  std::ifstream stream(path);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

// Ids of plugins that are also words of the field: names of hooks and operations, a verb, the header's own coder.
const std::set<std::string> kPlainWords = {"mlp", "cross-entropy", "store", "zstd"};

std::vector<std::string> technique_ids() {
  std::vector<std::string> ids;
  for (const auto& group : std::filesystem::directory_iterator(kRoot / "plugins")) {
    if (!group.is_directory()) continue;
    for (const auto& plugin : std::filesystem::directory_iterator(group)) {
      const std::string id = plugin.path().filename();
      if (plugin.is_directory() && !kPlainWords.contains(id)) ids.push_back(id);
    }
  }
  return ids;
}

void expect_no_include(const char* folder, const char* forbidden) {
  const std::regex include(std::string("#include *[<\"](") + forbidden + ")/");
  for (const auto& path : sources(folder)) EXPECT_FALSE(std::regex_search(content(path), include)) << path;
}

TEST(Layers, CoreAndRunnerNameNoTechnique) {
  const std::vector<std::string> ids = technique_ids();
  ASSERT_GT(ids.size(), 30u);
  for (const char* folder : {"core", "runner"}) {
    for (const auto& path : sources(folder)) {
      const std::string text = content(path);
      for (const std::string& id : ids) {
        const std::regex word("\\b" + id + "\\b", std::regex::icase);
        if (text.find(id) == std::string::npos) continue;  // cheap, and finds every lower-case use
        EXPECT_FALSE(std::regex_search(text, word)) << path << " names " << id;
      }
    }
  }
}

TEST(Layers, PluginsIncludeNothingFromCoreOrRunner) { expect_no_include("plugins", "core|runner|tests"); }
TEST(Layers, TheSdkStandsAlone) { expect_no_include("sdk/include", "core|runner|plugins|tests"); }
TEST(Layers, CoreIncludesNothingAboveIt) { expect_no_include("core", "runner|plugins|tests"); }

}  // namespace
