#include "core/score/plan.hpp"

#include <gtest/gtest.h>

#include "tests/train/support.hpp"

namespace caddie::score {
namespace {

using train::test::error_of;
using train::test::make_plugin;
using train::test::value_of;
using Numbers = std::vector<std::int64_t>;

Result<Plan> planned(const Numbers& windows, std::int64_t targets, std::int64_t context, bool goes_on = false) {
  const auto evaluator = make_plugin("evaluator", "given-plan", {{"windows", windows}, {"goes_on", goes_on}}, "probe");
  return make_plan(evaluator, targets, context);
}

Numbers numbers(const Plan& plan) {
  Numbers all;
  for (const Window& window : plan.windows) {
    all.insert(all.end(), {window.first, window.length, window.score_first, window.score_count});
  }
  return all;
}

TEST(Plan, KeepsWhatTheEvaluatorPlans) {
  const Numbers windows = {0, 4, 0, 4, 2, 4, 4, 2, 4, 4, 6, 2};
  const Plan plan = value_of(planned(windows, 8, 4));
  EXPECT_EQ(numbers(plan), windows);
  EXPECT_EQ(plan.scored, 8);
  EXPECT_TRUE(plan.remarks.empty());
}

TEST(Plan, WindowsMustFit) {
  constexpr std::int64_t kMax = INT64_MAX;
  constexpr std::int64_t kMin = INT64_MIN;
  const std::vector<Numbers> bad = {
      {-1, 4, 0, 1}, {0, 0, 0, 0}, {0, 5, 0, 1},  {6, 3, 6, 1},       {8, 1, 8, 1},          {2, 4, 1, 1},
      {2, 4, 5, 2},  {2, 4, 3, -1}, {0, -1, 0, 0}, {kMax, kMax, 0, 0}, {0, 4, kMin, 1},       {0, 4, 0, kMax},
      {kMin, 4, 0, 1}, {0, kMin, 0, 1}, {0, 4, kMax, 1}, {0, 4, 0, kMin}};
  for (const Numbers& window : bad) {
    const auto plan = planned(window, 8, 4);
    ASSERT_FALSE(plan) << window[0] << " " << window[1] << " " << window[2] << " " << window[3];
    EXPECT_NE(plan.error().message().find("probe: planned the window"), std::string::npos) << plan.error().message();
    Numbers then_good = window;
    then_good.insert(then_good.end(), {0, 4, 0, 4});
    EXPECT_FALSE(planned(then_good, 8, 4, true)) << "a refused window is not forgotten";
  }
}

TEST(Plan, TheFirstScoreOfATargetCounts) {
  const Plan plan = value_of(planned({0, 4, 0, 4, 2, 4, 2, 4, 4, 4, 6, 2}, 8, 4));
  EXPECT_EQ(numbers(plan), (Numbers{0, 4, 0, 4, 2, 4, 4, 2, 4, 4, 6, 2}));
  EXPECT_EQ(plan.scored, 8);
  ASSERT_EQ(plan.remarks.size(), 1u);
  EXPECT_NE(plan.remarks[0].find("2 targets were planned to be scored again"), std::string::npos);
}

TEST(Plan, ARepeatInTheMiddleCutsAWindow) {
  const Plan plan = value_of(planned({2, 2, 2, 2, 0, 6, 0, 6}, 6, 6));
  EXPECT_EQ(numbers(plan), (Numbers{2, 2, 2, 2, 0, 6, 0, 2, 0, 6, 4, 2}));
  EXPECT_EQ(plan.scored, 6);
}

TEST(Plan, TargetsLeftOutAreRemarked) {
  const Plan plan = value_of(planned({0, 4, 1, 2}, 8, 4));
  EXPECT_EQ(plan.scored, 2);
  ASSERT_EQ(plan.remarks.size(), 1u);
  EXPECT_NE(plan.remarks[0].find("6 of 8 targets are not scored"), std::string::npos);
}

TEST(Plan, TheTailOfRuleS1ComesOnce) {
  const auto evaluator = make_plugin("evaluator", "sliding-window", {{"rule", "S1"}, {"stride", 2}});
  const Plan plan = value_of(make_plan(evaluator, 13, 4));
  EXPECT_EQ(plan.scored, 13);
  ASSERT_EQ(plan.remarks.size(), 1u);
  EXPECT_NE(plan.remarks[0].find("1 targets"), std::string::npos) << plan.remarks[0];
}

TEST(Plan, ContiguousWindows) {
  EXPECT_EQ(numbers(contiguous_plan(10, 4)), (Numbers{0, 4, 0, 4, 4, 4, 4, 4, 8, 2, 8, 2}));
  EXPECT_EQ(contiguous_plan(10, 4).scored, 10);
}

TEST(Plan, AnEvaluatorsRefusalIsTheirs) {
  const auto evaluator = make_plugin("evaluator", "sliding-window", {{"stride", 9}}, "sliding");
  EXPECT_NE(error_of(make_plan(evaluator, 100, 4)).find("sliding: \"stride\" is 9"), std::string::npos);
}

}  // namespace
}  // namespace caddie::score
