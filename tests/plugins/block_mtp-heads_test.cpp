#include <gtest/gtest.h>

#include <cmath>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

// Rows of three tokens of one channel, a vocabulary of two; the model's own loss is 2.
HookCase further_heads(const nlohmann::json& config, int mode = CADDIE_MODE_TRAIN) {
  return {.blocks = {{"mtp-heads", config}, {"rms-norm", {{"eps", 0}}}, {"cross-entropy"}},
          .hook = "loss.term",
          .inputs = {real({}, {2})},
          .wires = {{"mtp-heads.stream", real({1, 3, 1}, {0.5, 2, 7})}, {"targets", whole({1, 3}, {1, 1, 1})}},
          .dims = {.vocab = 2, .dim = 1},
          .request = {.mode = mode, .context = 3},
          .visit = -1};
}

TEST(MtpHeads, AddsTheMeanLossOfTheHeads) {  // G67: heads of loss 3 and 4
  Session session = build_hook(further_heads({{"heads", 2}}));
  session.set("mtp-heads.head.1.weight", {std::log(std::exp(3) - 1), 0});
  session.set("mtp-heads.head.2.weight", {std::log(std::exp(4) - 1), 0});
  session.run();
  expect_near(session.get("out0"), {2.7});
}

TEST(MtpHeads, AHeadLooksAsFarAsItsNumber) {
  Session session = build_hook(further_heads({{"heads", 2}, {"weight", 1}}));
  session.set("wire.targets", {0, 1, 0});
  session.set("mtp-heads.head.1.weight", {50, 0});  // sure of token 0: right in one of two places
  session.set("mtp-heads.head.2.weight", {50, 0});  // right in its only place
  session.run();
  expect_near(session.get("out0"), {2 + 25.0 / 2});
}

TEST(MtpHeads, StartsAtTheLossOfGuessingAndMovesOnlyTheHeads) {
  Session session = build_hook(further_heads({{"heads", 2}}));
  session.run();
  expect_near(session.get("out0"), {2 + 0.2 * std::log(2)});
  EXPECT_NE(session.gradient("mtp-heads.head.1.weight")[0], 0);
  EXPECT_EQ(session.gradient("wire.mtp-heads.stream"), (std::vector<double>{0, 0, 0}));
  for (const TensorDeclaration& tensor : session.built().parameters) {
    EXPECT_EQ(tensor.role, "head");
    EXPECT_EQ(tensor.shape, (graph::Shape{2, 1}));
  }
}

TEST(MtpHeads, Gradients) {
  HookCase wider = further_heads({{"heads", 2}});
  wider.wires["mtp-heads.stream"] = wave({2, 4, 3}, 1);
  wider.wires["targets"] = whole({2, 4}, {1, 4, 0, 2, 3, 3, 1, 0});
  wider.dims = {.vocab = 5, .dim = 3};
  Session session = build_hook(wider);
  session.set("mtp-heads.head.1.weight", wave({5, 3}, 2).values);
  session.set("mtp-heads.head.2.weight", wave({5, 3}, 3).values);
  session.expect_gradients();
}

TEST(MtpHeads, ExistsInTrainingOnlyAndReadsTheStreamBehindItsLastBlock) {
  const std::vector<BlockUse> blocks = {
      {"mtp-heads"}, {"token-embedding"}, {"rms-norm"},       {"sequential-layer"}, {"gqa"},
      {"mlp"},       {"act-relu2"},       {"plain-residual"}, {"tied-head"},        {"cross-entropy"}};
  const Dims dims = {.vocab = 6, .dim = 4, .heads = 2, .kv_heads = 1, .head_dim = 2, .layers = 2};
  BuildRequest request = {.context = 4};
  Session train = build_model(dims, blocks, request);
  const auto has_head = [](const Session& session) {
    for (const TensorDeclaration& tensor : session.built().parameters) {
      if (tensor.path == "mtp-heads.head.1.weight") return true;
    }
    return false;
  };
  EXPECT_TRUE(has_head(train));
  train.set("mtp-heads.head.1.weight", wave({6, 4}, 1).values);
  train.set("token-embedding.weight", wave({6, 4}, 2).values);
  train.set("targets", {1, 5, 0, 2});
  train.expect_gradients();
  for (const int mode : {CADDIE_MODE_EVALUATE, CADDIE_MODE_CALIBRATE, CADDIE_MODE_ADAPT}) {
    request.mode = mode;
    EXPECT_FALSE(has_head(build_model(dims, blocks, request)));
  }
}

TEST(MtpHeads, RefusesMoreHeadsThanARowHasTokens) {
  const std::string message = message_of([] { build_hook(further_heads({{"heads", 3}})); });
  EXPECT_NE(message.find("\"heads\" is 3, but rows have only 3 tokens"), std::string::npos) << message;
}

}  // namespace
}  // namespace caddie::plugins::test
