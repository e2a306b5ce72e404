#include <gtest/gtest.h>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

Session head() {
  return build_hook({.blocks = {{"untied-head"}},
                     .hook = "head",
                     .inputs = {real({1, 1, 2}, {2, -1})},
                     .dims = {.vocab = 3},
                     .visit = -1});
}

TEST(UntiedHead, StartsAtZero) {
  Session session = head();
  session.run();
  EXPECT_EQ(session.get("out0"), std::vector<double>(3, 0.0));
  EXPECT_EQ(session.built().parameters[0].path, "untied-head.weight");
  EXPECT_EQ(session.built().parameters[0].role, "head");
}

TEST(UntiedHead, HasAMatrixOfItsOwn) {
  Session session = head();
  session.set("untied-head.weight", {1, 0, 0, 1, 3, 4});
  session.run();
  expect_near(session.get("out0"), {2, -1, 2});
  session.expect_gradients();
}

}  // namespace
}  // namespace caddie::plugins::test
