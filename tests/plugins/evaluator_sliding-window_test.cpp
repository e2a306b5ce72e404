#include <gtest/gtest.h>

#include <numeric>

#include "tests/plugins/evaluator_support.hpp"

namespace caddie::plugins::test {
namespace {

using Triples = std::vector<std::vector<std::int64_t>>;  // window start, first scored target, end

Triples triples(const char* rule, std::int64_t N, std::int64_t L, std::int64_t S) {
  Triples made;
  for (const PlannedWindow& window : plan_of("sliding-window", {{"rule", rule}, {"stride", S}}, N, L)) {
    EXPECT_EQ(window.score_first + window.score_count, window.end());
    made.push_back({window.first, window.score_first, window.end()});
  }
  return made;
}

std::int64_t scored(const Triples& windows) {
  return std::accumulate(windows.begin(), windows.end(), std::int64_t{0},
                         [](std::int64_t sum, const auto& window) { return sum + window[2] - window[1]; });
}

TEST(SlidingWindow, GoldenPlans) {  // G47
  struct Case {
    std::int64_t N, L, S;
    const char* rule;
    Triples windows;
    std::int64_t scored;
  };
  const std::vector<Case> cases = {
      {12, 4, 2, "S1", {{0, 0, 4}, {2, 4, 6}, {4, 6, 8}, {6, 8, 10}, {8, 10, 12}, {10, 10, 12}}, 14},
      {12, 4, 2, "S2", {{0, 0, 4}, {2, 4, 6}, {4, 6, 8}, {6, 8, 10}, {8, 10, 12}}, 12},
      {12, 4, 2, "S2-count", {{0, 0, 4}, {2, 4, 6}, {4, 6, 8}, {6, 8, 10}, {8, 10, 12}}, 12},
      {13, 4, 2, "S1", {{0, 0, 4}, {2, 4, 6}, {4, 6, 8}, {6, 8, 10}, {8, 10, 12}, {10, 11, 13}}, 14},
      {13, 4, 2, "S2", {{0, 0, 4}, {2, 4, 6}, {4, 6, 8}, {6, 8, 10}, {8, 10, 12}, {10, 12, 13}}, 13},
      {13, 4, 2, "S2-count", {{0, 0, 4}, {2, 4, 6}, {4, 6, 8}, {6, 8, 10}, {8, 10, 12}}, 12},
      {10, 6, 3, "S1", {{0, 0, 6}, {3, 6, 9}, {6, 7, 10}}, 12},
      {10, 6, 3, "S2", {{0, 0, 6}, {3, 6, 9}, {6, 9, 10}}, 10},
      {10, 6, 3, "S2-count", {{0, 0, 6}, {3, 6, 9}}, 9},
  };
  for (const Case& test : cases) {
    const Triples made = triples(test.rule, test.N, test.L, test.S);
    EXPECT_EQ(made, test.windows) << test.rule << " " << test.N;
    EXPECT_EQ(scored(made), test.scored) << test.rule << " " << test.N;
  }
}

TEST(SlidingWindow, PublishedNumbersOfWindows) {  // G47
  const auto count = [](const char* rule, std::int64_t N) {
    return plan_of("sliding-window", {{"rule", rule}}, N, 2048).size();
  };
  EXPECT_EQ(count("S1", 62021632), 969088u);
  EXPECT_EQ(count("S2", 40542208), 633441u);
  EXPECT_EQ(count("S2-count", 47851520), 747649u);
  EXPECT_EQ(count("S2", 40540160), 633409u);
}

TEST(SlidingWindow, S1ScoresTheTailAgainAndAgain) {  // G47: 1984 more at windows of 2048 and strides of 64
  EXPECT_EQ(scored(triples("S1", 64 * 100, 2048, 64)), 64 * 100 + 1984);
}

TEST(SlidingWindow, S2ScoresEveryTargetOnceWithEnoughContext) {
  for (std::int64_t N = 1; N < 40; ++N) {
    for (std::int64_t L = 1; L < 12; ++L) {
      for (std::int64_t S = 1; S <= L; ++S) {
        std::int64_t next = 0;
        for (const auto& window : triples("S2", N, L, S)) {
          ASSERT_EQ(window[1], next) << N << " " << L << " " << S;
          ASSERT_GT(window[2], window[1]);
          ASSERT_LE(window[2] - window[0], L);
          ASSERT_TRUE(window[0] == 0 || window[1] - window[0] >= L - S);
          next = window[2];
        }
        ASSERT_EQ(next, N) << N << " " << L << " " << S;
      }
    }
  }
}

TEST(SlidingWindow, AShorterWindowThanTheContext) {
  const auto planned = plan_of("sliding-window", {{"stride", 2}, {"length", 4}}, 8, 1000);
  EXPECT_EQ(planned, (std::vector<PlannedWindow>{{0, 4, 0, 4}, {2, 4, 4, 2}, {4, 4, 6, 2}}));
}

TEST(SlidingWindow, AStrideLongerThanTheWindowIsRefused) {
  const std::string message = message_of([] { plan_of("sliding-window", {{"stride", 5}}, 100, 4); });
  EXPECT_NE(message.find("\"stride\" is 5"), std::string::npos) << message;
}

}  // namespace
}  // namespace caddie::plugins::test
