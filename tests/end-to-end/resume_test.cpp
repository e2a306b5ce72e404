// Killed at any moment, a run goes on and ends with the same bits.
#include <gtest/gtest.h>

#include <csignal>
#include <random>

#include "tests/end-to-end/program.hpp"

namespace caddie::end_to_end {
namespace {

using Json = nlohmann::json;

const std::vector<std::string> kLonger = {"-q", "run", "tiny.json", "--set", "train.steps=150"};

std::string run_folder(const Workplace& place) {
  for (const auto& entry : std::filesystem::directory_iterator(place.folder() / "runs")) {
    if (entry.path().filename().string().starts_with("tiny-")) return "runs/" + entry.path().filename().string();
  }
  return "";
}

std::string artifact_digest(const Workplace& place, const std::string& folder) {
  const Json result = Json::parse(place.read(folder + "/result.json"), nullptr, false);
  EXPECT_TRUE(result.is_object());
  return result.is_object() ? result.at("artifact").at("digest").get<std::string>() : "";
}

class Interrupted : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    reference_ = new Workplace();
    ASSERT_EQ(reference_->caddie(kLonger).exit_code, 0);
    digest_ = artifact_digest(*reference_, run_folder(*reference_));
  }
  static void TearDownTestSuite() {
    delete reference_;
    reference_ = nullptr;
  }
  static Workplace* reference_;
  static std::string digest_;
};
Workplace* Interrupted::reference_ = nullptr;
std::string Interrupted::digest_;

TEST_F(Interrupted, KillAtRandomMomentsThenResumeGivesTheSameBits) {
  std::mt19937 random(20260101);
  int kills = 0;
  for (int trial = 0; trial < 3; ++trial) {
    const Workplace place;
    ASSERT_EQ(place.caddie({"-q", "data", "prepare", "corpus.txt", "elsewhere", "--vocab", "384"}).exit_code, 0);
    std::vector<std::string> command = kLonger;
    for (int kill = 0; kill < 3; ++kill) {
      const int milliseconds = static_cast<int>(100 + random() % 900);
      const Outcome outcome = place.caddie_killed(command, milliseconds, SIGKILL);
      if (outcome.exit_code == 0) break;
      kills += outcome.exit_code == 128 + SIGKILL ? 1 : 0;
      if (!std::filesystem::exists(place.folder() / "runs")) continue;
      const std::string folder = run_folder(place);
      if (!folder.empty() && std::filesystem::exists(place.folder() / folder / "resolved.json")) command = {"-q", "resume", folder};
    }
    const Outcome last = place.caddie(command);
    ASSERT_EQ(last.exit_code, 0) << last.err;
    EXPECT_EQ(artifact_digest(place, run_folder(place)), digest_);
  }
  EXPECT_GT(kills, 0) << "no run was killed in time; the test shows nothing";
}

TEST_F(Interrupted, TerminateWritesACheckpointAndSaysHowToGoOn) {
  const Workplace place;
  ASSERT_EQ(place.caddie({"-q", "run", "tiny.json", "--set", "train.steps=1"}).exit_code, 0);  // the data is there afterwards
  std::filesystem::remove_all(place.folder() / "runs");
  const Outcome outcome = place.caddie_killed({"run", "tiny.json", "--set", "train.steps=100000"}, 1500, SIGTERM);
  EXPECT_EQ(outcome.exit_code, 128 + SIGTERM) << outcome.err;
  EXPECT_NE(outcome.err.find("caddie resume runs/tiny-"), std::string::npos) << outcome.err;
  EXPECT_FALSE(std::filesystem::is_empty(place.folder() / run_folder(place) / "checkpoints"));
}

TEST_F(Interrupted, ADamagedCheckpointIsPassedOver) {
  const Workplace place;
  const Outcome killed = place.caddie_killed(kLonger, 1200, SIGTERM);
  if (killed.exit_code == 0) GTEST_SKIP() << "the run was over before the signal";
  const std::string folder = run_folder(place);
  std::vector<std::filesystem::path> checkpoints;
  if (std::filesystem::exists(place.folder() / folder / "checkpoints")) {
    for (const auto& entry : std::filesystem::directory_iterator(place.folder() / folder / "checkpoints")) checkpoints.push_back(entry.path());
  }
  if (checkpoints.empty()) GTEST_SKIP() << "stopped before the first checkpoint";
  std::ranges::sort(checkpoints);
  std::filesystem::resize_file(checkpoints.back(), std::filesystem::file_size(checkpoints.back()) / 2);
  const Outcome resumed = place.caddie({"resume", folder});
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_NE(resumed.err.find("passed over a checkpoint"), std::string::npos) << resumed.err;
  EXPECT_EQ(artifact_digest(place, folder), digest_);
}

}  // namespace
}  // namespace caddie::end_to_end
