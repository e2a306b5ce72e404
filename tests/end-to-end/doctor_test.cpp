#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "tests/end-to-end/program.hpp"

namespace caddie::end_to_end {
namespace {

using testing::HasSubstr;

TEST(DoctorCommand, SaysWhatIsThere) {
  const Workplace place;
  const Outcome text = place.caddie({"doctor"});
  EXPECT_EQ(text.exit_code, 0) << text.out;
  for (const char* part : {"processor", "memory", "plugins", "mpi", "the cuda backend", "nvrtc"})
    EXPECT_THAT(text.out, HasSubstr(part));
  std::istringstream lines(text.out);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << line;

  const auto json = nlohmann::json::parse(place.caddie({"--json", "doctor"}).out);
  EXPECT_TRUE(json.at("can_run").get<bool>());
  EXPECT_EQ(json.at("findings").at(0).at("part"), "processor");
}

TEST(DoctorCommand, APluginFileThatCannotBeUsedIsAMistakeWithACode) {
  Workplace place;
  std::filesystem::create_directory(place.folder() / "mine");
  place.write("mine/broken.so", "no library at all");
  place.plugin_path(place.folder() / "mine");
  const Outcome outcome = place.caddie({"doctor"});
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_THAT(outcome.out, HasSubstr("!! plugins"));
  EXPECT_THAT(outcome.out, HasSubstr("broken.so"));
}

}  // namespace
}  // namespace caddie::end_to_end
