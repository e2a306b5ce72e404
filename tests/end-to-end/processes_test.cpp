// Several processes of the program, started by mpirun, train one model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>

#include "tests/end-to-end/program.hpp"

namespace caddie::end_to_end {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;
using testing::Not;

class Processes : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_mpi()) GTEST_SKIP() << "needs mpirun and a build with MPI (Debian: openmpi-bin, libopenmpi-dev)";
  }
  // A model whose blocks keep nothing from one micro-batch to the next.
  static std::vector<std::string> arguments(const std::string& runs) {
    return {"--json", "-q",     "run", "tiny.json",        "--disable", "complementary", "--set", "train.accumulate=4",
            "--set",  "compute.threads=1", "--runs", runs};
  }
  static Json parsed(const Outcome& outcome) {
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    const Json json = Json::parse(outcome.out, nullptr, false);
    EXPECT_TRUE(json.is_object()) << outcome.out << outcome.err;
    return json.is_object() ? json : Json::object();
  }
  const Workplace place;
};

// The folder of a stage of these runs.
std::filesystem::path stage_folder(const Workplace& place, const std::string& runs, const std::string& stage) {
  return std::filesystem::directory_iterator(place.folder() / runs / ".stages" / stage)->path();
}

TEST_F(Processes, GiveTheBitsOfOne) {
  const Json one = parsed(place.caddie(arguments("one")));
  for (const int count : {2, 4}) {
    const std::string runs = "with-" + std::to_string(count);
    const Json together = parsed(place.caddie_launched(count, arguments(runs)));
    EXPECT_EQ(together.at("artifact").at("digest"), one.at("artifact").at("digest")) << count;
    EXPECT_EQ(together.at("ledger_digest"), one.at("ledger_digest")) << count;
    EXPECT_EQ(together.at("final_loss"), one.at("final_loss")) << count;
    EXPECT_EQ(together.at("activity"), one.at("activity")) << count;
    for (const char* weights : {"raw.safetensors", "weights.safetensors"}) {
      EXPECT_TRUE(place.read(stage_folder(place, runs, "train") / weights) ==
                  place.read(stage_folder(place, "one", "train") / weights))
          << weights << " of " << count;
    }
  }
}

TEST_F(Processes, ReuseWhatIsThere) {
  (void)parsed(place.caddie(arguments("runs")));
  const Json again = parsed(place.caddie_launched(2, arguments("runs")));
  for (const Json& stage : again.at("stages")) {
    EXPECT_TRUE(stage.at("name") != "train" || stage.at("reused").get<bool>());
  }
}

TEST_F(Processes, GoOnFromTheCheckpointOfOne) {
  const auto longer = [](const std::string& runs) {
    std::vector<std::string> all = arguments(runs);
    all.insert(all.end(), {"--set", "train.steps=600"});
    return all;
  };
  const Json expected = parsed(place.caddie(longer("whole")));
  ASSERT_NE(place.caddie_killed(longer("runs"), 900, SIGTERM).exit_code, 0) << "the run was over before it was interrupted";
  const Json resumed = parsed(place.caddie_launched(2, longer("runs")));
  EXPECT_EQ(resumed.at("artifact").at("digest"), expected.at("artifact").at("digest"));
}

TEST_F(Processes, MicroBatchesMustDivide) {
  const Outcome outcome = place.caddie_launched(3, arguments("runs"));
  EXPECT_EQ(outcome.exit_code, 5) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("4 micro-batches a step cannot be shared by 3 processes"));
  const std::string text = outcome.err;
  EXPECT_EQ(text.find("cannot be shared"), text.rfind("cannot be shared")) << "said more than once:\n" << text;
}

TEST_F(Processes, ABlockThatKeepsAStateIsRefused) {
  std::vector<std::string> all = arguments("runs");
  all.erase(std::find(all.begin(), all.end(), "--disable"));
  all.erase(std::find(all.begin(), all.end(), "complementary"));
  const Outcome outcome = place.caddie_launched(2, all);
  EXPECT_NE(outcome.exit_code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("caddie: complementary: hands"));
  EXPECT_THAT(outcome.err, HasSubstr("leave it out, or train in one process"));
}

TEST_F(Processes, AMistakeInTheManifestIsSaidOnce) {
  std::vector<std::string> all = arguments("runs");
  all.insert(all.end(), {"--set", "train.stepz=5"});
  const Outcome outcome = place.caddie_launched(2, all);
  EXPECT_EQ(outcome.exit_code, 3) << outcome.err;
  EXPECT_EQ(outcome.err.find("1 mistake"), outcome.err.rfind("1 mistake")) << outcome.err;
}

// A process that dies takes the others with it; nobody waits for ever.
TEST_F(Processes, AProcessThatIsKilledEndsAll) {
  place.write("victim.sh",
              "#!/bin/sh\n"
              "if [ \"$OMPI_COMM_WORLD_RANK\" = 1 ]; then (sleep 1; kill -9 $$) & fi\n"
              "exec \"$@\"\n");
  std::filesystem::permissions(place.folder() / "victim.sh", std::filesystem::perms::owner_all);
  std::vector<std::string> all = arguments("runs");
  all.insert(all.end(), {"--set", "train.steps=100000"});
  EXPECT_NE(place.launched_through("./victim.sh", 2, all).exit_code, 0);
}

}  // namespace
}  // namespace caddie::end_to_end
