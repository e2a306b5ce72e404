#include <gtest/gtest.h>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

std::shared_ptr<Object> ema(double decay) {
  return std::make_shared<Object>(make_plugin("averager", "ema", {{"decay", decay}}));
}

// The average after each of the weights, from a start of 1.
std::vector<double> averages(double decay, const std::vector<double>& weights) {
  Session session = build_accumulate(ema(decay), {1, 1});
  session.set("state/ema.bank.average", {1});  // the initial weight, which the state copies
  std::vector<double> made;
  for (const double weight : weights) {
    session.set("bank", {weight});
    session.run();
    made.push_back(session.get("state/ema.bank.average")[0]);
  }
  return made;
}

TEST(Ema, FollowsTheWeights) {  // G27
  expect_near(averages(0.9965, {0.9, 0.7, 0.8}), {0.99965, 0.998601225, 0.9979061207});
  expect_near(averages(0.997, {0.9, 0.7}), {0.9997, 0.9988009});
}

TEST(Ema, HalfLife) {  // G27: 230.7 steps at 0.997
  const std::vector<double> made = averages(0.997, std::vector<double>(231, 0.0));
  EXPECT_GT(made[229], 0.5);
  EXPECT_LT(made[230], 0.5);
}

TEST(Ema, StartsAsTheWeightsAndEndsAsTheAverage) {
  const Session session = build_accumulate(ema(0.9), {2, 3});
  ASSERT_EQ(session.built().states.size(), 1u);
  EXPECT_EQ(session.built().states[0].initialiser.kind, CADDIE_INIT_COPY);
  EXPECT_EQ(session.built().states[0].initialiser.copy, "bank");
  Session end = build_finish(ema(0.9), {1, 2});
  end.set("bank", {1, 2});
  end.set("current", {3, 4});
  end.set("state/ema.bank.average", {5, 6});
  end.run();
  EXPECT_EQ(end.get("final"), (std::vector<double>{5, 6}));
}

}  // namespace
}  // namespace caddie::plugins::test
