// What the published scripts did wrong, as their as-published manifests say it: allowed by name there, and an error with
// that name as soon as the allowance is taken away.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/records/twins.hpp"

namespace caddie::records {
namespace {

using testing::HasSubstr;

// A twin with the changes that its as-published manifest makes, allowed or not.
manifest::Resolution published(const std::string& run, std::vector<manifest::Override> changes, const std::string& allowed) {
  changes.push_back(set("allow_inert=" + allowed));
  return toy(run, std::move(changes));
}

std::string message_of(const manifest::Resolution& resolution) {
  try {
    Twin twin(resolution);
    twin.start();
    while (twin.trainer().steps_done() < 6) twin.step();
  } catch (const std::exception& exception) {
    return exception.what();
  }
  return "";
}

// The allow_inert list of an as-published manifest, which the tests above must agree with.
std::string allowances(const std::string& run) {
  return resolve_manifest("records/" + run + "-as-published.json").resolved.at("allow_inert").dump();
}

TEST(PublishedDefects, TheZLossWithoutAGradient) {
  const std::vector<manifest::Override> changes = {set("blocks.zloss.shift=30"), set("blocks.zloss.backprop=false")};
  EXPECT_EQ(message_of(published("pr-2163", changes, allowances("pr-2163"))), "");
  EXPECT_THAT(message_of(published("pr-2163", changes, "[]")), HasSubstr("loss terms that give no parameter a gradient: zloss"));
}

TEST(PublishedDefects, TheLambdasThatAreNeverStepped) {
  const std::vector<manifest::Override> changes = {unset("optimizers.lambdas"), set(R"(optimizers.scalars.claims={"except": "lambdas.weight"})")};
  EXPECT_EQ(message_of(published("pr-1130", changes, allowances("pr-1130"))), "");
  EXPECT_THAT(message_of(published("pr-1130", changes, "[]")), HasSubstr("no optimizer claims lambdas.weight"));
}

TEST(PublishedDefects, TheBigramTableThatNobodyOwns) {
  const std::vector<manifest::Override> changes = {set(R"(optimizers.tables.claims={"role": "embedding", "except": "bigram.table"})"),
                                                   set(R"(optimizers.scalars.claims={"except": "bigram.table"})")};
  EXPECT_EQ(message_of(published("pr-1716", changes, allowances("pr-1716"))), "");
  EXPECT_THAT(message_of(published("pr-1716", changes, "[]")), HasSubstr("no optimizer claims bigram.table"));
  // Were only the table allowed, what it is multiplied with would be found by its numbers.
  const std::string message = message_of(published("pr-1716", changes, R"([{"what": "bigram.table", "why": "test"}])"));
  EXPECT_THAT(message, HasSubstr("gradient was exactly zero"));
  EXPECT_THAT(message, HasSubstr("bigram.proj.weight"));
  EXPECT_THAT(message, HasSubstr("bigram.scale"));
}

TEST(PublishedDefects, TheQuantizationAwareTrainingThatWasFoldedAway) {
  const std::vector<manifest::Override> changes = {set("blocks.qat.as_published=true")};
  EXPECT_EQ(message_of(published("pr-1033", changes, R"([{"what": "qat", "why": "test"}])")), "");
  EXPECT_THAT(message_of(published("pr-1033", changes, "[]")), HasSubstr("blocks that change nothing: qat"));
}

TEST(PublishedDefects, TheSnapshotsThatNobodyUses) {
  const std::vector<manifest::Override> changes = {set(R"(averagers.swa={"use": "swa", "every": 5, "start_scale": 0.5, "blend": 0})")};
  EXPECT_EQ(message_of(published("pr-1033", changes, R"([{"what": "swa", "why": "test"}])")), "");
  EXPECT_THAT(message_of(published("pr-1033", changes, "[]")), HasSubstr("averagers that change nothing: swa"));
}

}  // namespace
}  // namespace caddie::records
