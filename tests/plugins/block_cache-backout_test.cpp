#include <gtest/gtest.h>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

HookCase backing_out() {
  return {.blocks = {{"cache-backout", {{"layer", 1}}}},
          .hook = "stream.out",
          .inputs = {real({1, 1, 4}, {1.004880885, 2.34476177, -0.8403573455, 1.139523539})},
          .wires = {{"cache", real({1, 1, 4}, {0.5, -0.5, 1, 2})}},
          .dims = {.dim = 4, .layers = 2},
          .visit = -1};
}

TEST(CacheBackout, TakesAShareOut) {  // G16
  Session session = build_hook(backing_out());
  session.run();
  expect_near(session.get("out0"), {0.9548808848, 2.39476177, -0.9403573455, 0.9395235393});
  session.set("cache-backout.beta", {-0.7});
  session.expect_gradients();
  EXPECT_EQ(session.built().parameters.at(0).shape, (graph::Shape{1}));
  EXPECT_EQ(session.built().parameters.at(0).role, "scalar");
}

TEST(CacheBackout, KeepsTheLastOutputOfItsLayer) {
  const Dims dims = {.dim = 1, .layers = 3};
  const Blocks blocks(dims, {{"cache-backout", {{"layer", 1}}}});
  Build build(dims, {}, &blocks.model->blocks());
  build.set_visits({0, 1, 2, 1, 2}, 2);
  for (int visit = 0; visit < 5; ++visit) {
    build.enter_visit(visit);
    const graph::Value out =
        build.graph().leaf(graph::LeafKind::input, "out" + std::to_string(visit), graph::DType::f32, {1, 1, 1});
    EXPECT_EQ(build.run_hook("layer.out", "", {out}, 1)[0], out);
    if (visit == 1) {
      EXPECT_EQ(build.wire("cache"), out);
    }
  }
  EXPECT_EQ(build.wire("cache"), build.graph().leaves()[3].value);
}

TEST(CacheBackout, RefusesALayerThatNeverRan) {
  HookCase test = backing_out();
  test.wires = {};
  test.blocks[0].config = {{"layer", 7}};
  const std::string message = message_of([&] { build_hook(test); });
  EXPECT_NE(message.find("\"layer\" is 7, which never ran; the model has 2 layers, the last is 1"), std::string::npos)
      << message;
}

}  // namespace
}  // namespace caddie::plugins::test
