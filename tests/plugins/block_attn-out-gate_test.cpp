#include <gtest/gtest.h>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

// One token of four channels, two heads of three.
HookCase heads(const nlohmann::json& config) {
  return {.blocks = {{"attn-out-gate", config}},
          .hook = "attn.y",
          .inputs = {real({1, 1, 2, 3}, {1, 2, -1, 0.5, -3, 4}), wave({1, 1, 1, 3}, 1),
                     real({1, 1, 4}, {0.5, -1, 0.25, 2})},
          .dims = {.dim = 4, .heads = 2, .kv_heads = 1, .head_dim = 3, .layers = 3},
          .visits = {2}};
}

TEST(AttnOutGate, ScalesEveryHead) {  // G06
  Session session = build_hook(heads({{"window", 3}}));
  session.run();
  EXPECT_EQ(session.get("out0"), session.get("in0"));  // open at the start
  session.set("blocks.2.attn-out-gate.weight", {0.2, -0.1, 0.4, 0, 0.3, -0.5});
  session.run();
  expect_near(session.get("out0"), {1.148885034, 2.297770067, -1.148885034, 0.3953209153, -2.371925492, 3.162567322});
  session.expect_gradients();
}

TEST(AttnOutGate, DeclaresOneRowAHead) {
  const Session session = build_hook(heads({{"window", 4}}));
  ASSERT_EQ(session.built().parameters.size(), 1u);
  EXPECT_EQ(session.built().parameters[0].path, "blocks.2.attn-out-gate.weight");
  EXPECT_EQ(session.built().parameters[0].role, "scalar");
  EXPECT_EQ(session.built().parameters[0].shape, (graph::Shape{2, 4}));
}

TEST(AttnOutGate, StandsBehindXsaWhateverTheManifestsOrder) {
  HookCase both = heads({{"window", 3}});
  both.blocks.push_back({"xsa"});
  Session session = build_hook(both);
  std::vector<std::string> order;
  for (const HookCall& call : session.built().calls) order.push_back(call.instance);
  EXPECT_EQ(order, (std::vector<std::string>{"xsa", "attn-out-gate"}));
}

TEST(AttnOutGate, RefusesAWindowWiderThanTheModel) {
  const std::string message = message_of([] { build_hook(heads({{"window", 5}})); });
  EXPECT_NE(message.find("\"window\" is 5, but a token has only 4 channels"), std::string::npos) << message;
}

}  // namespace
}  // namespace caddie::plugins::test
