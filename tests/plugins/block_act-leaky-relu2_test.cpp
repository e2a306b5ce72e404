#include <gtest/gtest.h>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

Session activation(const nlohmann::json& config) {
  return build_hook(
      {.blocks = {{"act-leaky-relu2", config}}, .hook = "mlp.act", .inputs = {real({1, 1, 5}, {-2, -0.5, 0, 0.5, 3})}});
}

TEST(LeakyRelu2, ValuesAndDerivatives) {  // G08
  Session session = activation(nlohmann::json::object());
  session.run();
  expect_near(session.get("out0"), {1, 0.0625, 0, 0.25, 9});
  const std::vector<double> weights = wave({5}, 100).values;
  const std::vector<double> derivative = {-1, -0.25, 0, 1, 6};
  std::vector<double> expected;
  for (std::size_t i = 0; i < 5; ++i) expected.push_back(weights[i] * derivative[i]);
  expect_near(session.gradient("in0"), expected, 1e-12);
}

TEST(LeakyRelu2, TheEndsOfTheSlope) {
  Session square = activation({{"slope", 1.0}});
  square.run();
  expect_near(square.get("out0"), {4, 0.25, 0, 0.25, 9});
  Session relu2 = activation({{"slope", 0.0}});
  relu2.run();
  expect_near(relu2.get("out0"), {0, 0, 0, 0.25, 9});
}

}  // namespace
}  // namespace caddie::plugins::test
