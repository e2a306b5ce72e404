#include <gtest/gtest.h>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

// One token of four channels, two heads of three.
HookCase heads(const nlohmann::json& config) {
  return {.blocks = {{"gated-attention", config}},
          .hook = "attn.y",
          .inputs = {real({1, 1, 2, 3}, {1, 2, -1, 0.5, -3, 4}), wave({1, 1, 1, 3}, 1),
                     real({1, 1, 4}, {0.5, -1, 0.25, 2})},
          .dims = {.dim = 4, .heads = 2, .kv_heads = 1, .head_dim = 3, .layers = 3},
          .visits = {2}};
}

TEST(GatedAttention, WithABiasAndNoWeightAllHeadsStartEqual) {  // G06
  Session session = build_hook(heads({{"init_std", 0}, {"bias", true}}));
  session.run();
  expect_near(session.get("out0"), {0.98201379, 1.96402758, -0.98201379, 0.491006895, -2.94604137, 3.92805516});
  session.set("blocks.2.gated-attention.weight", wave({2, 4}, 3).values);
  session.set("blocks.2.gated-attention.bias", {0.5, -1});
  session.expect_gradients();
}

TEST(GatedAttention, WithoutABiasTheWholeTokenSays) {  // the sparse gate of G06 at scale 1 over all channels
  Session session = build_hook(heads({}));
  session.set("blocks.2.gated-attention.weight", {0.1, -0.05, 0.2, 0, 0, 0.15, -0.25, 0});
  session.run();
  expect_near(session.get("out0"), {0.5374298453, 1.074859691, -0.5374298453, 0.2235370059, -1.341222036, 1.788296047});
  session.expect_gradients();
}

TEST(GatedAttention, DeclaresTheBiasOnlyWhenAsked) {
  const Session plain = build_hook(heads({}));
  ASSERT_EQ(plain.built().parameters.size(), 1u);
  EXPECT_EQ(plain.built().parameters[0].shape, (graph::Shape{2, 4}));
  EXPECT_EQ(plain.built().parameters[0].role, "scalar");
  EXPECT_EQ(plain.built().parameters[0].initialiser.kind, CADDIE_INIT_NORMAL);
  EXPECT_EQ(plain.built().parameters[0].initialiser.b, 0.01);
  const Session biased = build_hook(heads({{"bias", true}, {"bias_init", 2}}));
  ASSERT_EQ(biased.built().parameters.size(), 2u);
  EXPECT_EQ(biased.get("blocks.2.gated-attention.bias"), (std::vector<double>{2, 2}));
}

}  // namespace
}  // namespace caddie::plugins::test
