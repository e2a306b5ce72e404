#include <gtest/gtest.h>

#include "tests/plugins/oracle.hpp"

namespace caddie::plugins::test {
namespace {

Session adamw(const nlohmann::json& config, const graph::Shape& shape) {
  return build_update(std::make_shared<Object>(make_plugin("optimizer", "adamw", config)), shape, "scalar");
}

// The golden start and both gradients, for a bank of one vector.
std::vector<std::vector<double>> two_steps(Session& session) {
  session.set("bank", {1, -0.5, 0.25});
  std::vector<std::vector<double>> values;
  session.set("gradient", {0.1, -0.2, 0});
  session.run(0);
  values.push_back(session.get("bank"));
  session.set("gradient", {-0.3, 0.1, 0.05});
  session.run(1);
  values.push_back(session.get("bank"));
  return values;
}

TEST(AdamW, TwoStepsOfTraining) {  // G25
  Session session =
      adamw({{"lr", 0.02}, {"beta1", 0.9}, {"beta2", 0.95}, {"eps", 1e-8}, {"weight_decay", 0.02}}, {1, 3});
  const auto p = two_steps(session);
  expect_near(p[0], {0.979600002, -0.479800001, 0.2499});
  expect_near(p[1], {0.9889940769, -0.4742406924, 0.2351008441});
  expect_near(session.get("state/adamw.bank.mean"), {-0.021, -0.008, 0.005});
  expect_near(session.get("state/adamw.bank.square"), {0.004975, 0.0024, 0.000125});
}

TEST(AdamW, TwoStepsOfAdapters) {  // G25
  Session session = adamw({{"lr", 1e-4}, {"beta1", 0}, {"beta2", 0.99}, {"eps", 1e-10}, {"weight_decay", 0.5}}, {1, 3});
  const auto p = two_steps(session);
  expect_near(p[0], {0.99985, -0.499875, 0.2499875});
  expect_near(p[1], {0.9999339027, -0.4999133474, 0.2498339333});
}

TEST(AdamW, EqualsTheOracle) {  // five steps, a falling schedule
  Session session =
      adamw({{"lr", 0.02}, {"beta1", 0.9}, {"beta2", 0.99}, {"eps", 1e-3}, {"weight_decay", 0.3}}, {2, 3});
  session.set("bank", wave({2, 3}, 1).values);
  for (int step = 0; step < 5; ++step) {
    session.set("gradient", wave({2, 3}, 21 + step, 0.1 * (step + 1)).values);
    session.set("scale", {1 - 0.15 * (step + 1)});
    session.run(step);
  }
  expect_near(session.get("bank"), flat(oracle()["adamw"]), 1e-10);
}

TEST(AdamW, AnyShapeAndTheScheduleScalesDecayToo) {
  Session session = adamw({{"lr", 0.1}, {"weight_decay", 0.5}}, {2, 2, 1, 1});
  session.set("bank", {1, 2, 3, 4});
  session.set("scale", {0.5});
  session.run();
  expect_near(session.get("bank"), {0.975, 1.95, 2.925, 3.9}, 1e-12);
}

}  // namespace
}  // namespace caddie::plugins::test
