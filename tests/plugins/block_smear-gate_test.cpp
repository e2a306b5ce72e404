#include <gtest/gtest.h>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

// Three tokens of four channels; the first and the third begin a document.
HookCase smear(const std::string& hook, const nlohmann::json& config) {
  return {.blocks = {{"smear-gate", config}},
          .hook = hook,
          .inputs = {real({1, 3, 4}, {1, 2, -1, 0.5, 0, -1, 2, 1, 3, 0.5, -0.5, 2})},
          .wires = {{"tokens", whole({1, 3}, {1, 7, 1})}},
          .dims = {.vocab = 8, .dim = 4},
          .visit = -1};
}

Session with_weights(const nlohmann::json& config) {
  Session session = build_hook(smear("embed.out", config));
  session.set("smear-gate.weight", {0.5, -0.25});
  session.set("smear-gate.lambda", {0.8});
  session.run();
  return session;
}

TEST(SmearGate, BlendsEveryChannelWithTheTokenBefore) {  // G09, v1
  Session session = build_hook(smear("stream.in", {{"variant", "v1"}}));
  session.run();  // at the start: half of each
  expect_near(session.get("out0"), {0.5, 1, -0.5, 0.25, 0.5, 0.5, 0.5, 0.75, 1.5, -0.25, 0.75, 1.5});
  session.set("smear-gate.gate", {0, 1, -1, 2});
  session.run();
  expect_near(session.get("out0"), {0.5, 0.5378828427, -0.7310585786, 0.05960146101,  //
                                    0.5, 1.193175736, 1.193175736, 0.559601461,       //
                                    1.5, -0.5965878679, 0.1723535534, 1.119202922});
  session.expect_gradients();
}

TEST(SmearGate, AddsTheTokenBeforeAsFarAsTheGateSays) {  // G09, v2 without and with the mask
  Session plain = with_weights({{"window", 2}, {"bos_mask", false}});
  expect_near(plain.get("out0"), {1, 2, -1, 0.5,                                        //
                                  0.4497412007, -0.1005175986, 1.550258799, 1.2248706,  //
                                  3, -0.1385494222, 0.7770988444, 2.638549422});
  plain.expect_gradients();

  Session masked = with_weights({{"window", 2}});
  expect_near(masked.get("out0"), {1, 2, -1, 0.5,                                        //
                                   0.4497412007, -0.1005175986, 1.550258799, 1.2248706,  //
                                   3, 0.5, -0.5, 2});
  masked.expect_gradients();
}

TEST(SmearGate, VariantTwoStartsAsTheIdentityAndLambdaMovesFirst) {
  Session session = build_hook(smear("embed.out", {{"window", 2}}));
  session.run();
  EXPECT_EQ(session.get("out0"), session.get("in0"));
  EXPECT_NE(session.gradient("smear-gate.lambda")[0], 0);
  EXPECT_EQ(session.gradient("smear-gate.weight"), (std::vector<double>{0, 0}));
}

TEST(SmearGate, RowsOfABatchDoNotMeet) {
  HookCase rows = smear("embed.out", {{"window", 2}, {"bos_mask", false}});
  rows.inputs[0] = wave({2, 3, 4}, 1);
  rows.wires["tokens"] = whole({2, 3}, {1, 7, 1, 2, 3, 4});
  for (const char* variant : {"v1", "v2"}) {
    rows.blocks[0].config["variant"] = variant;
    rows.hook = variant == std::string("v1") ? "stream.in" : "embed.out";
    Session session = build_hook(rows);
    if (variant == std::string("v2")) session.set("smear-gate.lambda", {0.8});
    session.run();
    const std::vector<double> before = session.get("out0");
    std::vector<double> changed = rows.inputs[0].values;
    changed[8] += 1;  // the last token of the first row
    session.set("in0", changed);
    session.run();
    const std::vector<double> after = session.get("out0");
    EXPECT_NE(before[8], after[8]);
    for (std::size_t i = 12; i < 24; ++i) EXPECT_EQ(before[i], after[i]) << variant;
  }
}

TEST(SmearGate, EachVariantHasOnePlaceThatAManifestMayChange) {
  const Dims dims = {.vocab = 8, .dim = 4, .layers = 1};
  Object block = make_plugin("block", "smear-gate", {{"variant", "v2"}});
  EXPECT_TRUE(Model::attach(dims, {{&block, {}, "stream.in", {}}}));
  Object other = make_plugin("block", "smear-gate", {{"variant", "v1"}});
  EXPECT_TRUE(Model::attach(dims, {{&other, {}, "embed.out", {}}}));
}

TEST(SmearGate, DeclaresScalarsOfTheModel) {
  const Session one = build_hook(smear("stream.in", {{"variant", "v1"}, {"init", 3}}));
  ASSERT_EQ(one.built().parameters.size(), 1u);
  EXPECT_EQ(one.built().parameters[0].path, "smear-gate.gate");
  EXPECT_EQ(one.built().parameters[0].role, "scalar");
  EXPECT_EQ(one.get("smear-gate.gate"), std::vector<double>(4, 3.0));
  const Session two = build_hook(smear("embed.out", {{"window", 3}}));
  ASSERT_EQ(two.built().parameters.size(), 2u);
  for (const TensorDeclaration& tensor : two.built().parameters) EXPECT_EQ(tensor.role, "scalar");
  EXPECT_EQ(two.built().parameters[0].shape, (graph::Shape{1, 3}));
}

TEST(SmearGate, RefusesAWindowWiderThanTheModel) {
  const std::string message = message_of([] { build_hook(smear("embed.out", {{"window", 5}})); });
  EXPECT_NE(message.find("\"window\" is 5, but a token has only 4 channels"), std::string::npos) << message;
}

TEST(SmearGate, OneTokenHasNothingBeforeIt) {
  for (const char* variant : {"v1", "v2"}) {
    Session session = build_hook({.blocks = {{"smear-gate", {{"variant", variant}, {"window", 2}}}},
                                  .hook = std::string(variant) == "v1" ? "stream.in" : "embed.out",
                                  .inputs = {real({1, 1, 2}, {3, -2})},
                                  .wires = {{"tokens", whole({1, 1}, {5})}},
                                  .dims = {.dim = 2, .layers = 1},
                                  .visit = -1});
    session.run();
    const double kept = std::string(variant) == "v1" ? 0.5 : 1;
    expect_near(session.get("out0"), {3 * kept, -2 * kept});
  }
}

}  // namespace
}  // namespace caddie::plugins::test
