#include <gtest/gtest.h>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

Session mlp(const nlohmann::json& config, std::int64_t D = 2) {
  return build_hook({.blocks = {{"mlp", config}, {"act-relu2"}},
                     .hook = "mlp",
                     .inputs = {wave({1, 2, D}, 1)},
                     .dims = {.dim = D, .layers = 11}});
}

TEST(Mlp, UpActivationDown) {
  Session session = mlp({{"mult", 1.5}});
  session.set("in0", {1, 2, -1, 0.5});
  session.set("blocks.0.mlp.up.weight", {1, 0, 0, 1, 1, -1});
  session.set("blocks.0.mlp.down.weight", {1, 0, 2, 0, 1, 0});
  session.run();
  // hidden (1, 2, -1) and (-1, 0.5, -1.5), squared where positive
  expect_near(session.get("out0"), {1, 4, 0, 0.25});
  session.set("blocks.0.mlp.down.weight", wave({2, 3}, 3).values);
  session.expect_gradients();
}

TEST(Mlp, StartsAsZero) {
  Session session = mlp({});
  session.run();
  EXPECT_EQ(session.get("out0"), std::vector<double>(4, 0.0));
  ASSERT_EQ(session.built().parameters.size(), 2u);
  EXPECT_EQ(session.built().parameters[0].shape, (graph::Shape{8, 2}));
  EXPECT_EQ(session.built().parameters[0].initialiser.kind, CADDIE_INIT_UNIFORM);
  EXPECT_EQ(session.built().parameters[1].initialiser.kind, CADDIE_INIT_ZEROS);
}

TEST(Mlp, RefusesHalfAChannel) {
  const std::string message = message_of([] { mlp({{"mult", 1.3}}); });
  EXPECT_NE(message.find("must be a whole number"), std::string::npos) << message;
}

}  // namespace
}  // namespace caddie::plugins::test
