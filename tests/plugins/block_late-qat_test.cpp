#include <gtest/gtest.h>

#include <cmath>

#include "tests/plugins/oracle.hpp"

namespace caddie::plugins::test {
namespace {

// The weight [rows, columns] where it is used, at this learning-rate scale.
HookCase using_weight(const nlohmann::json& config, const Array& w, double scale = 0.1, int mode = CADDIE_MODE_TRAIN,
                      const std::string& path = "blocks.3.attn.q.weight") {
  return {.blocks = {{"late-qat", config}},
          .hook = "weight",
          .part = path,
          .inputs = {w},
          .request = {.mode = mode, .scale = scale}};
}

const Array kGolden = real({2, 3}, {0.5, -0.9, 0.013, 3.1, -1.0, 0.05});

std::vector<double> used(const nlohmann::json& config, double scale = 0.1, int mode = CADDIE_MODE_TRAIN,
                         const std::string& path = "blocks.3.attn.q.weight") {
  Session session = build_hook(using_weight(config, kGolden, scale, mode, path));
  session.run(step_at(0, scale));
  return session.get("out0");
}

TEST(LateQat, RoundsHard) {  // G29
  expect_near(used({}), {0.5161290323, -0.9032258065, 0, 3.1, -1, 0});
}

TEST(LateQat, RoundsSoftly) {  // G29: T = 1, and T = 0.05 where the scale is 0
  const nlohmann::json soft = {{"mode", "tanh"}};
  expect_near(used(soft, 0.15 - 1e-12), {0.5086755297, -0.9016182582, 0.006169563683, 3.1, -1, 0.02310585786});
  expect_near(used(soft, 0), {0.5000000001, -0.8876769745, 0.01612902904, 3.1, -1, 0.04999999979});
}

TEST(LateQat, SlopeOfTheSoftStep) {  // G29: the largest of a row lies on the clamp's end and keeps its gradient
  const std::vector<double> expected = {0.3932238665, 0.4950331454, 0.4268419222, 0.5, 0.5, 0.3932238665};
  Session session = build_hook(using_weight({{"mode", "tanh"}}, kGolden, 0.15 - 1e-12));
  session.run(step_at(0, 0.15 - 1e-12));
  std::vector<double> slope = session.gradient("in0");
  const std::vector<double> weights = wave({2, 3}, 100).values;  // of the harness's loss
  for (std::size_t i = 0; i < slope.size(); ++i) slope[i] /= weights[i];
  expect_near(slope, expected);
}

TEST(LateQat, GradientsOfTheSoftStep) {  // rows below 1, whose step does not move with the largest of them
  Session session = build_hook(using_weight({{"mode", "tanh"}}, wave({3, 5}, 2, 0.7)));
  session.set("scalar/late-qat.temperature", {0.6});
  session.expect_gradients();
}

TEST(LateQat, TheTemperatureFallsGeometrically) {
  Session session = build_hook(using_weight({{"mode", "tanh"}}, kGolden));
  const std::vector<double> scales = {0.3, 0.15, 0.075, 0};
  const std::vector<double> temperatures = {1, 1, std::sqrt(0.05), 0.05};
  for (std::size_t i = 0; i < scales.size(); ++i) {
    session.run(step_at(0, scales[i]));
    expect_near(session.get("scalar/late-qat.temperature"), {temperatures[i]});
  }
}

TEST(LateQat, BeginsBelowTheThresholdAndOnlyInTraining) {
  EXPECT_EQ(used({}, 0.15), kGolden.values);
  EXPECT_NE(used({}, 0.1499), kGolden.values);
  EXPECT_EQ(used({{"threshold", 0.1}}, 0.1499), kGolden.values);
  for (const int mode : {CADDIE_MODE_EVALUATE, CADDIE_MODE_ADAPT, CADDIE_MODE_CALIBRATE}) {
    EXPECT_EQ(used({}, 0, mode), kGolden.values);
  }
  const Session session = build_hook(using_weight({}, kGolden, 1));
  EXPECT_EQ(session.built().scale_thresholds, (std::set<double>{0.15}));
  EXPECT_EQ(used({{"as_published", true}}), kGolden.values);
}

TEST(LateQat, ActsOnTheWeightsNamed) {
  const nlohmann::json config = {{"weights", "*.mlp.* blocks.?.attn.[qk].weight"}};
  EXPECT_NE(used(config), kGolden.values);
  EXPECT_NE(used(config, 0.1, CADDIE_MODE_TRAIN, "blocks.10.mlp.up.weight"), kGolden.values);
  EXPECT_EQ(used(config, 0.1, CADDIE_MODE_TRAIN, "blocks.3.attn.v.weight"), kGolden.values);
  EXPECT_EQ(used(config, 0.1, CADDIE_MODE_TRAIN, "head.weight"), kGolden.values);
  EXPECT_NE(message_of([] {
              make_plugin("block", "late-qat", {{"weights", " "}});
            }).find("\"weights\" is empty"),
            std::string::npos);
}

TEST(LateQat, EqualsTheOracleThroughALinearMap) {
  const nlohmann::ordered_json& golden = oracle()["qat"];
  for (const nlohmann::ordered_json& test : golden["cases"]) {
    SCOPED_TRACE(test["config"].dump());
    Session session = build_hook({.blocks = {{"late-qat", test["config"]}, {"untied-head"}},
                                  .hook = "head",
                                  .inputs = {real({1, 5, 6}, flat(golden["x"]))},
                                  .dims = {.vocab = 4, .dim = 6},
                                  .request = {.context = 5, .scale = test["scale"]},
                                  .visit = -1});
    session.set("untied-head.weight", flat(golden["w"]));
    session.run(step_at(0, test["scale"]));
    expect_near(session.get("out0"), flat(test["y"]), 1e-9);
    expect_near(session.gradient("untied-head.weight"), flat(test["dw"]), 1e-9);
    expect_near(session.gradient("in0"), flat(test["dx"]), 1e-9);
  }
}

TEST(LateQat, ReachesAttentionAndMlp) {
  for (const char* id : {"gqa", "mlp"}) {
    const auto output = [&](bool on) {
      std::vector<BlockUse> blocks = {{id}, {"act-relu2"}};
      if (on) blocks.push_back({"late-qat"});
      Session session = build_hook({.blocks = blocks,
                                    .hook = std::string(id) == "gqa" ? "attn" : "mlp",
                                    .inputs = {wave({1, 3, 8}, 2)},
                                    .dims = {.dim = 8, .heads = 2, .kv_heads = 1, .head_dim = 4, .layers = 1},
                                    .request = {.context = 3, .scale = 0.1}});
      for (const TensorDeclaration& weight : session.built().parameters) {
        session.set(weight.path, wave(weight.shape, 3).values);
      }
      session.run(step_at(0, 0.1));
      return session.get("out0");
    };
    EXPECT_NE(output(true), output(false)) << id;
  }
}

}  // namespace
}  // namespace caddie::plugins::test
