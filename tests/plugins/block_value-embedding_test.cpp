#include <gtest/gtest.h>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

constexpr Dims kDims = {.vocab = 4, .dim = 8, .heads = 2, .kv_heads = 2, .head_dim = 2, .layers = 11};

// Two tokens, two key/value heads of two channels; the values of layer 9.
HookCase values(const std::vector<BlockUse>& blocks) {
  return {.blocks = blocks,
          .hook = "attn.v",
          .inputs = {real({1, 2, 2, 2}, {1, 2, 3, 4, -1, 0, 1, 0})},
          .wires = {{"tokens", whole({1, 2}, {2, 0})}},
          .dims = kDims,
          .visits = {9}};
}

void set_golden(Session& session) {
  session.set("value-embedding.table", {0.01, 0.02, -0.03, 0.04, 0.05, -0.06, 0.07, 0.08});
  session.set("value-embedding.proj.weight", {1, 2, -1, 0.5, 0, 1, 2, -2});
  session.set("blocks.9.value-embedding.layer_scale", {0.8});
}

TEST(ValueEmbedding, AddsAVectorOfTheToken) {  // G12
  Session session = build_hook(values({{"value-embedding", {{"dim", 2}}}}));
  set_golden(session);
  session.run();
  expect_near(session.get("out0"), {0.9944, 1.9936, 2.9952, 4.0176, -0.996, 0, 1.0016, -0.0016});
  session.expect_gradients();
}

TEST(ValueEmbedding, StandsBehindValueResidualWhateverTheManifestsOrder) {  // G12
  HookCase both = values({{"value-embedding", {{"dim", 2}}}, {"value-residual"}});
  both.wires["v_first"] = real({1, 2, 2, 2}, {0.5, 0.5, -0.5, 1, 2, -2, 0, 1});
  Session session = build_hook(both);
  set_golden(session);
  session.set("blocks.9.value-residual.scale", {0.25});
  std::vector<std::string> order;
  for (const HookCall& call : session.built().calls) order.push_back(call.instance);
  EXPECT_EQ(order, (std::vector<std::string>{"value-residual", "value-embedding"}));
  session.run();
  expect_near(session.get("out0"), {1.1194, 2.1186, 2.8702, 4.2676, -0.496, -0.5, 1.0016, 0.2484});
  session.expect_gradients();
}

// Operations of one kind in what a case builds.
std::size_t count(const Session& session, graph::Op op) {
  std::size_t found = 0;
  for (const graph::Node& node : session.built().graph.nodes()) found += node.op == op ? 1 : 0;
  return found;
}

TEST(ValueEmbedding, IsComputedOnceAndEveryBlockHasItsOwn) {
  const auto build = [](const std::vector<BlockUse>& uses) {
    const Blocks blocks(kDims, uses);
    Build build(kDims, {.context = 2}, &blocks.model->blocks());
    build.set_visits({0, 1, 2}, 1);
    build.set_wire("tokens", build.graph().leaf(graph::LeafKind::input, "tokens", graph::DType::i32, {1, 2}));
    for (const int visit : {0, 1, 2}) {
      build.enter_visit(visit);
      const graph::Value v =
          build.graph().leaf(graph::LeafKind::input, "v" + std::to_string(visit), graph::DType::f32, {1, 2, 2, 2});
      build.run_hook("attn.v", "", {v}, 1);
    }
    if (auto status = build.status(); !status) throw std::runtime_error(status.error().message());
    return Session(build.take(), {}, 0);
  };
  const Session one = build({{"value-embedding"}});
  EXPECT_EQ(count(one, graph::Op::linear), 1u);
  EXPECT_EQ(count(one, graph::Op::gather), 1u);
  EXPECT_EQ(one.built().parameters.size(), 6u);  // table, proj, scale and three layers' scales
  const Session two = build({{"value-embedding", {{"dim", 2}}, "near"}, {"value-embedding", {{"dim", 3}}, "far"}});
  EXPECT_EQ(count(two, graph::Op::linear), 2u);
  EXPECT_EQ(two.built().parameters.size(), 12u);
}

TEST(ValueEmbedding, DeclaresOneTableOfTheModelAndAScaleALayer) {
  HookCase test = values({{"value-embedding", {{"proj_init", "orthogonal-scaled"}}}});
  const Session session = build_hook(test);
  std::map<std::string, const TensorDeclaration*> tensors;
  for (const TensorDeclaration& tensor : session.built().parameters) tensors[tensor.path] = &tensor;
  ASSERT_EQ(tensors.size(), 4u);
  EXPECT_EQ(tensors.at("value-embedding.table")->role, "embedding");
  EXPECT_EQ(tensors.at("value-embedding.table")->shape, (graph::Shape{4, 128}));
  EXPECT_EQ(tensors.at("value-embedding.table")->initialiser.kind, CADDIE_INIT_NORMAL);
  EXPECT_EQ(tensors.at("value-embedding.table")->initialiser.b, 0.01);
  EXPECT_EQ(tensors.at("value-embedding.proj.weight")->role, "matrix");
  EXPECT_EQ(tensors.at("value-embedding.proj.weight")->shape, (graph::Shape{4, 128}));
  EXPECT_EQ(tensors.at("value-embedding.proj.weight")->layer, -1);
  EXPECT_NEAR(tensors.at("value-embedding.proj.weight")->initialiser.a, 0.2132007164, 1e-9);
  EXPECT_EQ(session.get("value-embedding.scale"), std::vector<double>{0.1});
  EXPECT_EQ(tensors.at("blocks.9.value-embedding.layer_scale")->role, "scalar");
  EXPECT_EQ(session.get("blocks.9.value-embedding.layer_scale"), std::vector<double>{1});
}

}  // namespace
}  // namespace caddie::plugins::test
