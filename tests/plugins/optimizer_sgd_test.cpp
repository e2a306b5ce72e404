#include <gtest/gtest.h>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

Session sgd(const nlohmann::json& config) {
  Session session = build_update(std::make_shared<Object>(make_plugin("optimizer", "sgd", config)), {1, 2}, "scalar");
  session.set("bank", {1, -1});
  return session;
}

TEST(Sgd, MomentumOnClippedGradients) {  // G53: (0.6, 0.8) and (3, 4) clipped to norm 1
  Session session = sgd({{"lr", 0.008}, {"momentum", 0.9}});
  const double first = 1 / (1 + 1e-6);
  session.set("gradient", {0.6 * first, 0.8 * first});
  session.run(0);
  expect_near(session.get("bank"), {0.9952000048, -1.006399994}, 1e-9);
  const double second = 1 / (5 + 1e-6);
  session.set("gradient", {3 * second, 4 * second});
  session.run(1);
  expect_near(session.get("bank"), {0.9860800101, -1.018559987}, 1e-9);
}

TEST(Sgd, WithoutMomentumItHasNoState) {
  Session session = sgd({{"lr", 0.5}, {"momentum", 0}});
  session.set("gradient", {1, 2});
  session.set("scale", {0.1});
  session.run();
  expect_near(session.get("bank"), {0.95, -1.1}, 1e-12);
  EXPECT_TRUE(session.built().states.empty());
}

TEST(Sgd, NesterovLooksAhead) {
  Session session = sgd({{"lr", 0.1}, {"momentum", 0.5}, {"nesterov", true}});
  session.set("gradient", {1, 0});
  session.run(0);
  expect_near(session.get("bank"), {1 - 0.1 * 1.5, -1}, 1e-12);  // v = 1, g + 0.5 v = 1.5
  session.run(1);
  expect_near(session.get("bank"), {0.85 - 0.1 * 1.75, -1}, 1e-12);  // v = 1.5
}

}  // namespace
}  // namespace caddie::plugins::test
