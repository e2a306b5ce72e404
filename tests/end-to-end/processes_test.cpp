// Several processes of the program, started by mpirun, train one model.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <map>

#include "core/base/file.hpp"
#include "core/train/checkpoint.hpp"
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

// The one run of these.
std::filesystem::path run_folder(const Workplace& place, const std::string& runs) {
  for (const auto& entry : std::filesystem::directory_iterator(place.folder() / runs)) {
    if (std::filesystem::exists(entry.path() / "resolved.json")) return entry.path();
  }
  ADD_FAILURE() << "no run in " << runs;
  return {};
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

// Everything a checkpoint holds but the clock.
std::map<std::string, std::vector<std::uint8_t>> checkpoint_at(const Workplace& place, const std::string& runs, int step) {
  const auto path = run_folder(place, runs) / "checkpoints" / fmt::format("step-{:010}.checkpoint", step);
  const auto bytes = read_bytes(path);
  EXPECT_TRUE(bytes.ok()) << path;
  if (!bytes) return {};
  const auto checkpoint = train::decode_checkpoint(*bytes, path.string());
  EXPECT_TRUE(checkpoint.ok()) << path;
  return checkpoint ? checkpoint->sections : decltype(checkpoint->sections)();
}

// Muon stands for matrices in tiny.json.
class Optimizers : public Processes, public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    Processes::SetUp();
    Json optimizers = Json::object();
    for (const char* name : {"matrices", "others"}) {
      if (GetParam() != std::string("muon")) optimizers[name] = {{"use", GetParam()}};
    }
    const Json manifest = {{"extends", {"tiny.json"}},
                           {"name", "averaged"},
                           {"model", {{"layers", 3}}},
                           {"train", {{"steps", 12}, {"clip", {{"norm", 0.3}}}}},
                           {"optimizers", optimizers},
                           {"averagers",
                            {{"lawa", {{"use", "lawa"}, {"k", 3}, {"every", 2}}},
                             {"swa", {{"use", "swa"}, {"every", 1}, {"start_scale", 0.9}, {"blend", 0.5}}}}}};
    place.write("averaged.json", manifest.dump());
  }
  static std::vector<std::string> averaged(const std::string& runs) {
    std::vector<std::string> all = arguments(runs);
    std::ranges::replace(all, std::string("tiny.json"), std::string("averaged.json"));
    return all;
  }
  void expect_same(const Json& run, const std::string& runs, const Json& one, const std::string& what) const {
    EXPECT_EQ(run.at("artifact").at("digest"), one.at("artifact").at("digest")) << what;
    EXPECT_EQ(run.at("ledger_digest"), one.at("ledger_digest")) << what;
    for (const int step : {5, 10}) {
      EXPECT_TRUE(checkpoint_at(place, runs, step) == checkpoint_at(place, "one", step)) << what << ", step " << step;
    }
  }
  // The runs `from`, taken back to this checkpoint.
  void take_back(const std::string& from, const std::string& to, int later) const {
    std::filesystem::copy(place.folder() / from, place.folder() / to, std::filesystem::copy_options::recursive);
    std::filesystem::remove_all(place.folder() / to / ".stages" / "train");
    std::filesystem::remove(run_folder(place, to) / "checkpoints" / fmt::format("step-{:010}.checkpoint", later));
  }
};

TEST_P(Optimizers, GiveTheBitsOfOne) {
  const Json one = parsed(place.caddie(averaged("one")));
  for (const int count : {2, 4}) {
    const std::string runs = "with-" + std::to_string(count);
    expect_same(parsed(place.caddie_launched(count, averaged(runs))), runs, one, std::to_string(count));
  }
}

TEST_P(Optimizers, GoOnWithAnotherNumber) {
  const Json one = parsed(place.caddie(averaged("one")));
  (void)parsed(place.caddie_launched(2, averaged("two")));
  take_back("two", "then-one", 10);
  std::vector<std::string> loud = averaged("then-one");
  std::erase(loud, "-q");
  const Outcome resumed = place.caddie(loud);
  EXPECT_THAT(resumed.err, HasSubstr("goes on from the checkpoint at step 5"));
  expect_same(parsed(resumed), "then-one", one, "2, then 1");
  take_back("then-one", "then-four", 10);
  expect_same(parsed(place.caddie_launched(4, averaged("then-four"))), "then-four", one, "1, then 4");
}

INSTANTIATE_TEST_SUITE_P(Of, Optimizers, testing::Values("muon", "adamw", "sgd"),
                         [](const auto& info) { return std::string(info.param); });

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

// mpiexec of MPICH before a build with Open MPI: every process would train by itself.
TEST_F(Processes, ALauncherOfAnotherMpiIsNoticed) {
  ::setenv("PMI_RANK", "0", 1);
  ::setenv("PMI_SIZE", "2", 1);
  const Outcome outcome = place.caddie(arguments("runs"));
  ::unsetenv("PMI_RANK");
  ::unsetenv("PMI_SIZE");
  EXPECT_EQ(outcome.exit_code, 5) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("started 2 processes, but MPI finds 1"));
  EXPECT_FALSE(std::filesystem::exists(place.folder() / "runs"));
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
