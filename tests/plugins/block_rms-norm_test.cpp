#include <gtest/gtest.h>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

Session norm_of(const Array& x, const nlohmann::json& config = nlohmann::json::object()) {
  return build_hook({.blocks = {{"rms-norm", config}}, .hook = "norm", .part = "attn", .inputs = {x}});
}

TEST(RmsNorm, DividesByTheRootMeanSquare) {  // G01
  Session session = norm_of(real({1, 1, 4}, {1, 2, 3, 4}));
  session.run();
  expect_near(session.get("out0"), {0.3651483688, 0.7302967375, 1.095445106, 1.460593475});
}

TEST(RmsNorm, ItsEpsilonIsThatOfFloat32) {  // G01: a larger one would not normalise small embeddings
  const Array tiny = real({1, 1, 4}, {0.005, -0.004, 0.003, 0.006});
  Session standard = norm_of(tiny);
  standard.run();
  expect_near(standard.get("out0"), {1.075350649, -0.8602805189, 0.6452103892, 1.290420778});
  Session large = norm_of(tiny, {{"eps", 0.0078125}});
  large.run();
  expect_near(large.get("out0"), {0.05649086447, -0.04519269158, 0.03389451868, 0.06778903737});
}

TEST(RmsNorm, GradientIsTheClosedForm) {  // G01: dx = r g - r^3 x (g.x)/D
  const std::vector<double> x = {1, 2, 3, 4};
  Session session = norm_of(real({1, 1, 4}, x));
  session.run();
  const std::vector<double> g = wave({4}, 100).values;  // the harness's weights of the first output
  const double r = 1 / std::sqrt(7.5 + 0x1p-23);
  double product = 0;
  for (std::size_t i = 0; i < 4; ++i) product += g[i] * x[i];
  std::vector<double> expected;
  for (std::size_t i = 0; i < 4; ++i) expected.push_back(r * g[i] - r * r * r * x[i] * product / 4);
  expect_near(session.gradient("in0"), expected, 1e-12);
  session.expect_gradients();
}

}  // namespace
}  // namespace caddie::plugins::test
