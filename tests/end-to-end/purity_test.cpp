// A plugin that no manifest names changes nothing.
#include <gtest/gtest.h>

#include <filesystem>

#include "test_paths.hpp"
#include "tests/end-to-end/program.hpp"

namespace caddie::end_to_end {
namespace {

TEST(Purity, APluginThatIsNotNamedChangesNothing) {
  Workplace place;
  const nlohmann::json before = place.run({});
  const std::filesystem::path more = place.folder() / "more";
  std::filesystem::create_directories(more);
  for (const char* name : {"nine", "good-block", "twin-a"}) {
    std::filesystem::copy_file(std::string(CADDIE_BUILD_DIR "/tests/plugins/fixtures/") + name + ".so",
                               more / (std::string(name) + ".so"));
  }
  place.plugin_path(more);
  const Outcome listed = place.caddie({"plugins", "list"});
  const nlohmann::json again = place.run({});
  Workplace fresh;
  fresh.plugin_path(more);
  const nlohmann::json after = fresh.run({});
  EXPECT_NE((listed.out + listed.err).find("abi-block"), std::string::npos) << listed.out << listed.err;
  EXPECT_EQ(again["digest"], before["digest"]);
  for (const nlohmann::json& stage : again.at("stages")) EXPECT_TRUE(stage.at("reused").get<bool>()) << stage;
  EXPECT_EQ(after["artifact"]["digest"], before["artifact"]["digest"]);
  EXPECT_EQ(after["ledger_digest"], before["ledger_digest"]);
  EXPECT_EQ(after["bits_per_byte"], before["bits_per_byte"]);
}

}  // namespace
}  // namespace caddie::end_to_end
