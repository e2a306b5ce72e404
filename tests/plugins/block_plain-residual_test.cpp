#include <gtest/gtest.h>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

TEST(PlainResidual, Adds) {
  Session session = build_hook({.blocks = {{"plain-residual"}},
                                .hook = "residual",
                                .part = "mlp",
                                .inputs = {wave({1, 2, 3}, 1), wave({1, 2, 3}, 2)}});
  session.run();
  std::vector<double> expected = wave({1, 2, 3}, 1).values;
  const std::vector<double> delta = wave({1, 2, 3}, 2).values;
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += delta[i];
  expect_near(session.get("out0"), expected, 1e-15);
  session.expect_gradients();
}

}  // namespace
}  // namespace caddie::plugins::test
