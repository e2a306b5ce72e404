// Bad input: a sentence that says what and where, the documented exit code, nothing lost, no crash.
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "tests/end-to-end/program.hpp"

namespace caddie::end_to_end {
namespace {

void expect_refused(const Outcome& outcome, int exit_code, const std::string& words) {
  EXPECT_EQ(outcome.exit_code, exit_code) << outcome.err;
  EXPECT_NE(outcome.err.find(words), std::string::npos) << "wanted \"" << words << "\" in:\n" << outcome.err;
}

TEST(BadInput, EveryMistakeOfAManifestIsReportedAtOnce) {
  const Workplace place;
  place.write("bad.json", R"({ "extends": ["tiny.json"], "train": { "stepz": 3, "batch": -1 }, "blocks": { "neftune": { "alhpa": 3 } } })");
  const Outcome outcome = place.caddie({"validate", "bad.json"});
  expect_refused(outcome, 3, "stepz");
  EXPECT_NE(outcome.err.find("bad.json:1:"), std::string::npos);
  EXPECT_NE(outcome.err.find("did you mean \"steps\""), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("alhpa"), std::string::npos);
  EXPECT_NE(outcome.err.find("batch"), std::string::npos);
}

TEST(BadInput, AMissingPluginIsNamed) {
  const Workplace place;
  expect_refused(place.caddie({"run", "tiny.json", "--set", "blocks.neftune.use=nefftune"}), 4, "nefftune");
}

TEST(BadInput, CorpusProblems) {
  const Workplace place;
  place.write("corpus.txt", "");
  expect_refused(place.caddie({"-q", "run", "tiny.json"}), 5, "corpus.txt");
  place.write("corpus.txt", std::string("good text\n\n\nbad \xff\xfe text\n\n\nmore"));
  expect_refused(place.caddie({"-q", "run", "tiny.json"}), 5, "corpus.txt");
  expect_refused(place.caddie({"-q", "run", "tiny.json", "--set", "data.text=absent.txt"}), 5, "absent.txt");
}

TEST(BadInput, DamagedShardsAndCards) {
  const Workplace place;
  ASSERT_EQ(place.caddie({"-q", "run", "tiny.json", "--set", "train.steps=1"}).exit_code, 0);
  const auto shard = place.folder() / "data" / "train_000000.bin";
  const auto size = std::filesystem::file_size(shard);
  std::filesystem::resize_file(shard, size - 2);
  const Outcome check = place.caddie({"data", "check", "data"});
  EXPECT_EQ(check.exit_code, 9);
  EXPECT_NE(check.out.find("train_000000.bin"), std::string::npos) << check.out;
  // Given as data and not as text to prepare, the folder is refused; prepared again, it is whole again.
  expect_refused(place.caddie({"-q", "run", "tiny.json", "--unset", "data.text", "--unset", "data.validation", "--set", "train.steps=2"}), 5, "train_000000.bin");
}

TEST(BadInput, AnUnclaimedParameterAndADoublyClaimedOne) {
  const Workplace place;
  expect_refused(place.caddie({"-q", "run", "tiny.json", "--set", "optimizers.others.claims.role=embedding", "--set", "train.steps=1"}), 5, "blocks.0");
  expect_refused(place.caddie({"-q", "run", "tiny.json", "--set", "optimizers.third={\"use\":\"sgd\",\"claims\":{\"role\":\"matrix\"}}", "--set", "train.steps=1"}), 5, "third");
}

TEST(BadInput, ALossTermWithoutGradientIsInert) {
  const Workplace place;
  const std::vector<std::string> frozen = {"-q", "run", "tiny.json", "--set", "blocks.zloss.backprop=false", "--set", "train.steps=1"};
  expect_refused(place.caddie(frozen), 5, "zloss");
  std::vector<std::string> allowed = frozen;
  allowed.insert(allowed.end(), {"--set", "allow_inert=[{\"what\":\"zloss\",\"why\":\"as published\"}]"});
  EXPECT_EQ(place.caddie(allowed).exit_code, 0);
}

TEST(BadInput, AFolderThatCannotBeWritten) {
  const Workplace place;
  place.write("runs", "a file stands where the folder should be");
  expect_refused(place.caddie({"-q", "run", "tiny.json", "--set", "train.steps=1"}), 5, "runs");
}

TEST(BadInput, AnArtifactOverTheCap) {
  const Workplace place;
  const Outcome outcome = place.caddie({"-q", "run", "tiny.json", "--set", "train.steps=1", "--set", "budget.artifact_bytes=100"});
  EXPECT_EQ(outcome.exit_code, 6) << outcome.err;
  EXPECT_NE(outcome.out.find("over the cap"), std::string::npos) << outcome.out;
}

TEST(BadInput, UsageErrors) {
  const Workplace place;
  EXPECT_EQ(place.caddie({}).exit_code, 2);
  EXPECT_EQ(place.caddie({"fly"}).exit_code, 2);
  EXPECT_EQ(place.caddie({"--help"}).exit_code, 0);
  expect_refused(place.caddie({"resume", "nowhere"}), 5, "nowhere");
  expect_refused(place.caddie({"plugins", "info", "neftun"}), 4, "did you mean \"neftune\"");
}

}  // namespace
}  // namespace caddie::end_to_end
