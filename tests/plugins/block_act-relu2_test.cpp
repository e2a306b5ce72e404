#include <gtest/gtest.h>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

TEST(Relu2, ValuesAndDerivatives) {  // G08
  Session session =
      build_hook({.blocks = {{"act-relu2"}}, .hook = "mlp.act", .inputs = {real({1, 1, 5}, {-2, -0.5, 0, 0.5, 3})}});
  session.run();
  expect_near(session.get("out0"), {0, 0, 0, 0.25, 9});
  const std::vector<double> weights = wave({5}, 100).values;
  const std::vector<double> derivative = {0, 0, 0, 1, 6};
  std::vector<double> expected;
  for (std::size_t i = 0; i < 5; ++i) expected.push_back(weights[i] * derivative[i]);
  expect_near(session.gradient("in0"), expected, 1e-12);
}

}  // namespace
}  // namespace caddie::plugins::test
