#include <gtest/gtest.h>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

const Array kX = real({1, 1, 4}, {1, 2, -1, 0});
const Array kX0 = real({1, 1, 4}, {0.5, 0.5, -0.5, 1});

TEST(ResidMix, MixesTheInputBackIn) {  // G16
  Session session =
      build_hook({.blocks = {{"resid-mix"}}, .hook = "layer.mix", .inputs = {kX}, .wires = {{"x0", kX0}}});
  session.run();
  EXPECT_EQ(session.get("out0"), kX.values);  // a = 1, b = 0
  session.set("blocks.0.resid-mix.mix", {1, 0.9, 1.1, 1, 0, 0.1, -0.1, 0.2});
  session.run();
  expect_near(session.get("out0"), {1, 1.85, -1.05, 0.2});
  session.expect_gradients();
}

TEST(ResidMix, ScalesSubLayersApart) {  // G16
  const Array attended = real({1, 1, 4}, {0.1, 0.2, 0.3, 0.4});
  for (const std::string part : {"attn", "mlp"}) {
    Session session =
        build_hook({.blocks = {{"resid-mix"}}, .hook = "residual", .part = part, .inputs = {kX, attended}});
    session.run();
    expect_near(session.get("out0"), {1.1, 2.2, -0.7, 0.4});
    session.set("blocks.0.resid-mix." + part + "_scale", {0, 1, 2, -1});
    session.run();
    expect_near(session.get("out0"), {1, 2.2, -0.4, -0.4});
    session.expect_gradients();
    EXPECT_EQ(session.built().parameters.at(0).role, "scalar");
  }
}

}  // namespace
}  // namespace caddie::plugins::test
