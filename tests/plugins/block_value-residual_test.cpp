#include <gtest/gtest.h>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

// The values of one token in one head of two channels, in a layer that knows v_first.
HookCase later_layer(const nlohmann::json& config) {
  return {.blocks = {{"value-residual", config}},
          .hook = "attn.v",
          .inputs = {real({1, 1, 1, 2}, {1, -2})},
          .wires = {{"v_first", real({1, 1, 1, 2}, {0.5, 3})}},
          .dims = {.layers = 4},
          .visits = {3}};
}

TEST(ValueResidual, AddsTheFirstValues) {
  Session session = build_hook(later_layer({{"mode", "scaled-first"}}));
  session.run();
  expect_near(session.get("out0"), {1, -2});  // the scale starts at zero
  session.set("blocks.3.value-residual.scale", {0.4});
  session.run();
  expect_near(session.get("out0"), {1.2, -0.8});
  session.expect_gradients();
}

TEST(ValueResidual, MixesTheFirstValues) {
  Session session = build_hook(later_layer({{"mode", "mix"}}));
  session.run();
  expect_near(session.get("out0"), {0.75, 0.5});
  session.set("blocks.3.value-residual.mix", {0.4, 0.9});
  session.run();
  expect_near(session.get("out0"), {1.1, -0.6});
  session.expect_gradients();
}

// The values of every visit, which hold 1 at the first, 10 at the second and so on, after value-residual with scale 2.
std::vector<double> visited(const std::vector<int>& visits, const std::vector<BlockUse>& uses) {
  const Dims dims = {.layers = 4};
  const Blocks blocks(dims, uses);
  Build build(dims, {}, &blocks.model->blocks());
  build.set_visits(visits, 1);
  std::map<std::string, graph::Value> outputs;
  for (std::size_t visit = 0; visit < visits.size(); ++visit) {
    const std::string name = std::to_string(visit);
    build.enter_visit(static_cast<int>(visit));
    const graph::Value v = build.graph().leaf(graph::LeafKind::input, "v" + name, graph::DType::f32, {1, 1, 1, 1});
    outputs["seen" + name] = build.run_hook("attn.v", "", {v}, 1)[0];
  }
  if (auto status = build.status(); !status) throw std::runtime_error(status.error().message());
  Session session(build.take(), outputs, 0);
  double value = 1;
  for (std::size_t visit = 0; visit < visits.size(); ++visit, value *= 10)
    session.set("v" + std::to_string(visit), {value});
  session.run();
  std::vector<double> seen;
  for (std::size_t visit = 0; visit < visits.size(); ++visit)
    seen.push_back(session.get("seen" + std::to_string(visit))[0]);
  return seen;
}

TEST(ValueResidual, KeepsTheFirstVisitOfLayerZeroAndAddsToAllOthers) {
  const std::vector<BlockUse> doubling = {{"value-residual", {{"scale_init", 2}}}};
  EXPECT_EQ(visited({0, 1, 2, 3}, doubling), (std::vector<double>{1, 12, 102, 1002}));
  EXPECT_EQ(visited({0, 1, 0, 1, 2}, doubling), (std::vector<double>{1, 12, 100, 1002, 10002}));
  const std::vector<BlockUse> some = {{"value-residual", {{"scale_init", 2}}, "", std::vector<int>{0, 3}}};
  EXPECT_EQ(visited({0, 1, 2, 3}, some), (std::vector<double>{1, 10, 100, 1002}));
}

TEST(ValueResidual, LayerZeroHasNoParameter) {
  for (const char* mode : {"scaled-first", "mix"}) {
    HookCase first = later_layer({{"mode", mode}});
    first.wires.clear();
    first.visits = {0};
    Session session = build_hook(first);
    session.run();
    EXPECT_EQ(session.get("out0"), (std::vector<double>{1, -2}));
    EXPECT_TRUE(session.built().parameters.empty());
    EXPECT_NE(session.built().wire("v_first"), 0u);
  }
  const Session later = build_hook(later_layer({}));
  ASSERT_EQ(later.built().parameters.size(), 1u);
  EXPECT_EQ(later.built().parameters[0].role, "scalar");
}

TEST(ValueResidual, SaysWhatItMisses) {
  const std::vector<BlockUse> last = {{"value-residual", {}, "", std::vector<int>{3}}};
  const std::string early = message_of([&] { visited({0, 1, 2, 3}, last); });
  EXPECT_NE(early.find("let \"layers\" name layer 0 too"), std::string::npos) << early;
  const std::string three = message_of([] { build_hook(later_layer({{"mix_init", {1, 2, 3}}})); });
  EXPECT_NE(three.find("\"mix_init\" holds 3 numbers, two are needed"), std::string::npos) << three;
}

}  // namespace
}  // namespace caddie::plugins::test
