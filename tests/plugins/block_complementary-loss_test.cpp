#include <gtest/gtest.h>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

HookCase weighing(int mode, std::int64_t vocab = 8) {
  const Array zeros = whole({1, 3}, {0, 0, 0});
  const Array ones = real({1, 3}, {1, 1, 1});
  return {.blocks = {{"complementary-loss"}},
          .hook = "loss.weight",
          .inputs = {ones, ones, ones, ones},
          .wires = {{"tokens", zeros}, {"targets", zeros}},
          .dims = {.vocab = vocab},
          .request = {.mode = mode, .context = 3},
          .visit = -1};
}

TEST(ComplementaryLoss, WeighsByTheCountsOfEarlierSteps) {  // G19
  Session session = build_hook(weighing(CADDIE_MODE_TRAIN));
  const std::vector<std::vector<double>> tokens = {{3, 3, 2}, {3, 3, 2}, {3, 3, 2}};
  const std::vector<std::vector<double>> targets = {{5, 4, 3}, {5, 5, 2}, {5, 4, 3}};
  const std::vector<std::vector<double>> weights = {
      {1, 1, 1}, {0.8333333333, 0.8333333333, 1}, {0.7, 0.9, 0.8333333333}};
  for (std::size_t step = 0; step < 3; ++step) {
    session.set("wire.tokens", tokens[step]);
    session.set("wire.targets", targets[step]);
    session.run(static_cast<std::int64_t>(step));
    expect_near(session.get("out0"), weights[step]);
  }
  std::vector<double> pairs(64, 0.0);
  pairs[3 * 8 + 5] = 4;
  pairs[3 * 8 + 4] = 2;
  pairs[2 * 8 + 3] = 2;
  pairs[2 * 8 + 2] = 1;
  EXPECT_EQ(session.get("state/complementary-loss.pairs"), pairs);
  EXPECT_EQ(session.get("state/complementary-loss.totals"), (std::vector<double>{0, 0, 3, 6, 0, 0, 0, 0}));
}

TEST(ComplementaryLoss, TheFloorHolds) {
  HookCase test = weighing(CADDIE_MODE_TRAIN);
  test.blocks[0].config = {{"alpha", 1.0}, {"floor", 0.25}};
  Session session = build_hook(test);
  for (std::int64_t step = 0; step < 9; ++step) session.run(step);  // 0 -> 0, three times a step
  expect_near(session.get("out0"), {0.25, 0.25, 0.25});
}

TEST(ComplementaryLoss, EvaluationIsUnweightedAndCountsNothing) {
  Session session = build_hook(weighing(CADDIE_MODE_EVALUATE));
  session.run();
  EXPECT_EQ(session.get("out0"), std::vector<double>(3, 1.0));
  EXPECT_TRUE(session.built().states.empty());
}

TEST(ComplementaryLoss, RefusesAVocabularyWhosePairsDoNotFit) {
  const std::string message = message_of([] { build_hook(weighing(CADDIE_MODE_TRAIN, 50000)); });
  EXPECT_NE(message.find("at most 46340"), std::string::npos) << message;
}

}  // namespace
}  // namespace caddie::plugins::test
