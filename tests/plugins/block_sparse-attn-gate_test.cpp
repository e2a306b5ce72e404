#include <gtest/gtest.h>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

// One token of four channels, two heads of three.
HookCase heads(const nlohmann::json& config) {
  return {.blocks = {{"sparse-attn-gate", config}},
          .hook = "attn.y",
          .inputs = {real({1, 1, 2, 3}, {1, 2, -1, 0.5, -3, 4}), wave({1, 1, 1, 3}, 1),
                     real({1, 1, 4}, {0.5, -1, 0.25, 2})},
          .dims = {.dim = 4, .heads = 2, .kv_heads = 1, .head_dim = 3, .layers = 3},
          .visits = {2}};
}

TEST(SparseAttnGate, ScalesEveryHead) {  // G06
  Session session = build_hook(heads({{"window", 3}}));
  session.run();
  expect_near(session.get("out0"), {0.5, 1, -0.5, 0.25, -1.5, 2});  // half open at the start
  session.set("blocks.2.sparse-attn-gate.weight", {0.2, -0.1, 0.4, 0, 0.3, -0.5});
  session.run();
  expect_near(session.get("out0"), {0.5374298453, 1.074859691, -0.5374298453, 0.2235370059, -1.341222036, 1.788296047});
  session.expect_gradients();
}

TEST(SparseAttnGate, IsHalfTheOutputGateAtScaleOne) {
  const std::vector<double> weight = {0.2, -0.1, 0.4, 0, 0.3, -0.5};
  Session sparse = build_hook(heads({{"window", 3}, {"scale", 1}}));
  HookCase other = heads({{"window", 3}});
  other.blocks[0].id = "attn-out-gate";
  Session twice = build_hook(other);
  sparse.set("blocks.2.sparse-attn-gate.weight", weight);
  twice.set("blocks.2.attn-out-gate.weight", weight);
  sparse.run();
  twice.run();
  std::vector<double> doubled = sparse.get("out0");
  for (double& value : doubled) value *= 2;
  expect_near(twice.get("out0"), doubled);
}

TEST(SparseAttnGate, DeclaresOneRowAHead) {
  const Session session = build_hook(heads({{"window", 4}}));
  ASSERT_EQ(session.built().parameters.size(), 1u);
  EXPECT_EQ(session.built().parameters[0].path, "blocks.2.sparse-attn-gate.weight");
  EXPECT_EQ(session.built().parameters[0].role, "scalar");
  EXPECT_EQ(session.built().parameters[0].shape, (graph::Shape{2, 4}));
}

TEST(SparseAttnGate, StandsBehindXsaWhateverTheManifestsOrder) {
  HookCase both = heads({{"window", 3}});
  both.blocks.push_back({"xsa"});
  Session session = build_hook(both);
  std::vector<std::string> order;
  for (const HookCall& call : session.built().calls) order.push_back(call.instance);
  EXPECT_EQ(order, (std::vector<std::string>{"xsa", "sparse-attn-gate"}));
}

TEST(SparseAttnGate, RefusesAWindowWiderThanTheModel) {
  const std::string message = message_of([] { build_hook(heads({{"window", 5}})); });
  EXPECT_NE(message.find("\"window\" is 5, but a token has only 4 channels"), std::string::npos) << message;
}

}  // namespace
}  // namespace caddie::plugins::test
