#include <gtest/gtest.h>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

constexpr Dims kDims = {.vocab = 8, .dim = 4, .heads = 2, .kv_heads = 1, .head_dim = 2, .layers = 3};

// A layer with everything it opens.
std::vector<BlockUse> layer_of(const nlohmann::json& config) {
  return {{"parallel-residual", config}, {"gqa"}, {"mlp"}, {"act-relu2"}, {"rms-norm"}, {"resid-mix"}};
}

HookCase running(const nlohmann::json& config, std::map<std::string, Array> wires = {}) {
  wires["x0"] = wave({1, 3, 4}, 6);
  return {.blocks = layer_of(config),
          .hook = "layer",
          .inputs = {wave({1, 3, 4}, 5)},
          .wires = wires,
          .dims = kDims,
          .request = {.context = 3},
          .visits = {0, 1, 2},
          .visit = 1};
}

void wave_parameters(Session& session) {
  int salt = 20;
  for (const TensorDeclaration& tensor : session.built().parameters) {
    session.set(tensor.path, wave(tensor.shape, salt++, 0.8).values);
  }
}

TEST(ParallelResidual, SingleGradients) {
  Session session = build_hook(running({}));
  wave_parameters(session);
  session.expect_gradients();
}

TEST(ParallelResidual, TwoLaneGradients) {
  Session session = build_hook(running({{"mode", "two-lane"}}, {{"lane1", wave({1, 3, 4}, 7)}}));
  wave_parameters(session);
  session.expect_gradients();
  EXPECT_TRUE(session.has_gradient("wire.lane1"));
}

TEST(ParallelResidual, TheParametersAreOfTheModel) {
  const Session session = build_hook(running({{"mode", "two-lane"}}, {{"lane1", wave({1, 3, 4}, 7)}}));
  std::map<std::string, TensorDeclaration> found;
  for (const TensorDeclaration& tensor : session.built().parameters) found[tensor.path] = tensor;
  ASSERT_TRUE(found.contains("parallel-residual.rho") && found.contains("parallel-residual.post"));
  EXPECT_EQ(found["parallel-residual.rho"].shape, (graph::Shape{3, 2}));
  EXPECT_EQ(found["parallel-residual.rho"].initialiser.a, 1.1);
  EXPECT_EQ(found["parallel-residual.post"].shape, (graph::Shape{3, 2, 2}));
  EXPECT_EQ(found["parallel-residual.post"].initialiser.a, 1);
  EXPECT_EQ(found["parallel-residual.post"].role, "scalar");
}

// Attention and MLP of a test: what they give does not depend on what they read.
struct Lanes {
  explicit Lanes(const std::string& mode, const std::string& merge = "mean")
      : blocks(kDims, layer_of({{"mode", mode}, {"merge", merge}})), build(kDims, {}, &blocks.model->blocks()) {
    build.set_visits({0, 1, 2}, 1);
  }
  graph::Value leaf(const std::string& name) {
    return build.graph().leaf(graph::LeafKind::input, name, graph::DType::f32, {1, 1, 4});
  }
  Blocks blocks;
  Build build;
};

TEST(ParallelResidual, LanesForkBeforeWhatOthersDoAndOnlyOnce) {
  Lanes test("two-lane");
  const graph::Value first = test.leaf("first");
  test.build.enter_visit(1);
  EXPECT_EQ(test.build.run_hook("layer.in", "", {first}, 1)[0], first);
  EXPECT_EQ(test.build.wire("lane1"), first);
  test.build.enter_visit(2);
  test.build.run_hook("layer.in", "", {test.leaf("second")}, 1);
  EXPECT_EQ(test.build.wire("lane1"), first);
}

// Lane 0 and lane 1 after a layer whose sub-layers give A and M, and their merger (G15).
TEST(ParallelResidual, LanesMeetAsTheyShould) {
  const std::vector<double> lane0 = {1, 2, -1, 0};
  const std::vector<double> lane1 = {0.5, -0.5, 1, 2};
  // resid-mix scales sub-layers: with these scales a sub-layer of ones gives A and M.
  for (const auto& [merge, expected] :
       std::map<std::string, std::vector<double>>{{"mean", {0.7075, 1.1275, 0.26, 1.93}},
                                                  {"lane0", {1.04, 2.48, -0.8, 0.8}},
                                                  {"lane1", {0.375, -0.225, 1.32, 3.06}}}) {
    HookCase test = running({{"mode", "two-lane"}, {"merge", merge}}, {{"lane1", wave({1, 1, 4}, 7)}});
    test.wires["x0"] = wave({1, 1, 4}, 6);
    const Blocks blocks(kDims, test.blocks);
    Build build(kDims, {}, &blocks.model->blocks());
    build.set_visits({0, 1, 2}, 1);
    const auto leaf = [&](const char* name) {
      return build.graph().leaf(graph::LeafKind::input, name, graph::DType::f32, {1, 1, 4});
    };
    build.set_wire("x0", leaf("x0"));
    build.set_wire("lane1", leaf("lane1"));
    build.enter_visit(1);
    const graph::Value next = build.run_hook("layer", "", {leaf("lane0")}, 1)[0];
    const graph::Value other = build.wire("lane1");
    build.enter_visit(-1);
    const graph::Value merged = build.run_hook("stream.out", "", {next}, 1)[0];
    ASSERT_TRUE(build.status()) << build.status().error().message();
    Session session(build.take(), {{"lane0 next", next}, {"lane1 next", other}, {"merged", merged}}, 0);
    session.set("lane0", lane0);
    session.set("lane1", lane1);
    session.set("parallel-residual.rho", {0, 0, 1.1, 1.05, 0, 0});
    session.set("parallel-residual.post", {0, 0, 0, 0, 1, 0.9, 0.8, 1.2, 0, 0, 0, 0});
    // One token reads itself: attention gives proj v n, here a number in every channel; the MLP likewise.
    session.set("blocks.1.resid-mix.attn_scale", {0.1, 0.2, 0.3, 0.4});
    session.set("blocks.1.resid-mix.mlp_scale", {-0.2, 0.1, 0, 0.5});
    session.set("blocks.1.resid-mix.mix", {0, 0, 0, 0, 1, 1, 1, 1});  // lane 0 is read as x0, a vector of norm 1
    session.set("x0", {1, 1, 1, 1});
    session.set("blocks.1.gqa.v.weight", {0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25});
    session.set("blocks.1.gqa.proj.weight", {1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0});
    // Hidden channel 0 is 1 for the normalised lane 1, (0.5, -0.5, 1, 2) / sqrt(1.375).
    std::vector<double> up(64, 0.0);
    for (std::size_t i = 0; i < 4; ++i) up[i] = lane1[i] / std::sqrt(1.375) / 4;
    session.set("blocks.1.mlp.up.weight", up);
    std::vector<double> down(64, 0.0);
    for (std::size_t i = 0; i < 4; ++i) down[16 * i] = 1;
    session.set("blocks.1.mlp.down.weight", down);
    session.run();
    expect_near(session.get("lane0 next"), {1.04, 2.48, -0.8, 0.8}, 1e-6);
    expect_near(session.get("lane1 next"), {0.375, -0.225, 1.32, 3.06}, 1e-6);
    expect_near(session.get("merged"), expected, 1e-6);
  }
}

TEST(ParallelResidual, WithoutItsLayersTheStreamStays) {
  Lanes test("two-lane");
  const graph::Value x = test.leaf("x");
  EXPECT_EQ(test.build.run_hook("stream.out", "", {x}, 1)[0], x);
}

TEST(ParallelResidual, SingleOpensTheHooksOfALayer) {
  HookCase test = running({});
  test.blocks.push_back({"resid-lambdas"});
  const Session session = build_hook(test);
  std::vector<std::string> hooks;
  for (const HookCall& call : session.built().calls) hooks.push_back(call.hook);
  EXPECT_EQ(hooks, (std::vector<std::string>{"layer.mix", "norm", "attn", "norm", "mlp.act", "mlp", "residual.in",
                                             "residual", "residual.in", "residual", "layer"}));
}

}  // namespace
}  // namespace caddie::plugins::test
