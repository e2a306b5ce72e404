#include <gtest/gtest.h>

#include <cmath>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

struct Schedule {
  explicit Schedule(const nlohmann::json& config) : object(make_plugin("schedule", "warmdown", config)) {}
  [[nodiscard]] double at(const caddie_step& step) const {
    return object.table<caddie_schedule>().scale(object.abi(), &step);
  }
  Object object;
};

caddie_step of_steps(std::int64_t step, std::int64_t steps) {
  caddie_step at = step_at(step);
  at.steps = steps;
  at.fraction = static_cast<double>(step) / static_cast<double>(steps);
  return at;
}

caddie_step of_time(std::int64_t step, double elapsed, double budget) {
  caddie_step at = step_at(step);
  at.elapsed_seconds = elapsed;
  at.budget_seconds = budget;
  at.fraction = std::min(elapsed / budget, 1.0);
  return at;
}

TEST(Warmdown, BySteps) {  // G28
  const Schedule schedule({{"mode", "steps"}, {"steps", 4000}});
  const std::vector<std::int64_t> steps = {0, 15999, 16000, 18000, 19999};
  const std::vector<double> expected = {1, 1, 1, 0.5, 0.00025};
  for (std::size_t i = 0; i < steps.size(); ++i)
    EXPECT_NEAR(schedule.at(of_steps(steps[i], 20000)), expected[i], 1e-12);
}

TEST(Warmdown, ByTheClock) {  // G28
  const Schedule schedule({{"mode", "wallclock"}, {"steps", 4000}});
  const std::vector<std::pair<std::int64_t, double>> points = {
      {1000, 87.4}, {2839, 249.0}, {3000, 262.8}, {6050, 530.3}, {6839, 599.992}};
  const std::vector<double> expected = {1, 1, 0.9623287671, 0.1987954931, 2.279697063e-05};
  for (std::size_t i = 0; i < points.size(); ++i) {
    EXPECT_NEAR(schedule.at(of_time(points[i].first, points[i].second, 600)), expected[i], 1e-9);
  }
  EXPECT_EQ(schedule.at(of_time(0, 0, 600)), 1);
  EXPECT_EQ(schedule.at(of_time(7000, 601, 600)), 0);
  EXPECT_NEAR(schedule.at(of_steps(18000, 20000)), 0.5, 1e-12);  // no time budget: by steps
}

TEST(Warmdown, ByFraction) {  // G28
  struct Case {
    double over, fraction, min, expected;
  };
  for (const Case& c : {Case{0.2, 0.72, 0, 1},
                        {0.28, 0.72, 0, 1},
                        {0.64, 0.72, 0, 0.5},
                        {1, 0.72, 0, 0},
                        {0.1, 0.85, 0.1, 1},
                        {0.15, 0.85, 0.1, 1},
                        {0.5, 0.85, 0.1, 0.5882352941},
                        {0.915, 0.85, 0.1, 0.1},
                        {0.99, 0.85, 0.1, 0.1}}) {
    const Schedule schedule({{"mode", "fraction"}, {"fraction", c.fraction}, {"min", c.min}});
    caddie_step step = step_at(0);
    step.fraction = c.over;
    EXPECT_NEAR(schedule.at(step), c.expected, 1e-9) << c.over;
  }
}

TEST(Warmdown, ReserveEndsTheFallBeforeTheBudget) {  // G61: budgets of 588 and 586 seconds out of 600
  const Schedule fraction({{"mode", "fraction"}, {"fraction", 0.5}, {"reserve", 12}});
  EXPECT_NEAR(fraction.at(of_time(10, 441, 600)), 0.5, 1e-12);
  EXPECT_EQ(fraction.at(of_time(10, 588, 600)), 0);
  EXPECT_EQ(fraction.at(of_time(10, 599, 600)), 0);
  const Schedule clock({{"mode", "wallclock"}, {"steps", 100}, {"reserve", 14}});
  EXPECT_NEAR(clock.at(of_time(1000, 500, 600)), 1, 1e-12);  // 86 s are left, 100 steps take 50 s
  EXPECT_NEAR(clock.at(of_time(1000, 561, 600)), 25 / 56.1, 1e-12);
  EXPECT_EQ(clock.at(of_time(1000, 586, 600)), 0);
}

TEST(Warmdown, ZeroMeansNoFall) {
  for (const nlohmann::json& config :
       {nlohmann::json{{"mode", "steps"}, {"steps", 0}}, {{"mode", "fraction"}, {"fraction", 0}}}) {
    EXPECT_EQ(Schedule(config).at(of_steps(19999, 20000)), 1);
  }
}

TEST(Warmdown, StepsOfARunWithoutAnEndAreNoNumber) {
  EXPECT_TRUE(std::isnan(Schedule(nlohmann::json{{"mode", "steps"}}).at(of_time(10, 5, 600))));
}

}  // namespace
}  // namespace caddie::plugins::test
