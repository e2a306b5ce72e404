#include <gtest/gtest.h>

#include "tests/plugins/evaluator_support.hpp"

namespace caddie::plugins::test {
namespace {

TEST(FlatEval, WholeWindowsAsPublished) {  // G66: 30 tokens are 29 targets; windows of 4
  const auto planned = plan_of("flat-eval", {{"tail", "truncate"}}, 29, 4);
  ASSERT_EQ(planned.size(), 7u);
  for (std::int64_t q = 0; q < 7; ++q) {
    EXPECT_EQ(planned[static_cast<std::size_t>(q)], (PlannedWindow{4 * q, 4, 4 * q, 4}));
  }
}

TEST(FlatEval, TheTailIsAShorterWindow) {
  const auto planned = plan_of("flat-eval", {}, 30, 4);
  ASSERT_EQ(planned.size(), 8u);
  EXPECT_EQ(planned.back(), (PlannedWindow{28, 2, 28, 2}));
  EXPECT_EQ(plan_of("flat-eval", {}, 28, 4).size(), 7u);
}

TEST(FlatEval, AShorterLengthThanTheContext) {
  const auto planned = plan_of("flat-eval", {{"length", 3}}, 7, 4);
  EXPECT_EQ(planned, (std::vector<PlannedWindow>{{0, 3, 0, 3}, {3, 3, 3, 3}, {6, 1, 6, 1}}));
}

TEST(FlatEval, LessThanOneWindow) {
  EXPECT_EQ(plan_of("flat-eval", {}, 3, 4), (std::vector<PlannedWindow>{{0, 3, 0, 3}}));
  EXPECT_TRUE(plan_of("flat-eval", {{"tail", "truncate"}}, 3, 4).empty());
}

}  // namespace
}  // namespace caddie::plugins::test
