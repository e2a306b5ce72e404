#include <gtest/gtest.h>

#include <cmath>

#include "core/cpu/custom_check.hpp"
#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

HookCase mixed(const graph::Shape& shape, const nlohmann::json& config = nlohmann::json::object()) {
  return {.blocks = {{"mega-ema", config}}, .hook = "attn.in", .inputs = {wave(shape, 1)}, .dims = {.dim = shape[2]}};
}

TEST(MegaEma, IsTheRecurrenceOfItsFormula) {
  constexpr int kRows = 2, kTime = 11, kDim = 3;  // a length that is no power of two
  Session session = build_hook(mixed({kRows, kTime, kDim}, {{"alpha", 0.3}, {"delta", 0.8}, {"eta", 0.5}}));
  const std::string prefix = "blocks.0.mega-ema.";
  const std::vector<double> alpha{0.2, -1, 1.5}, delta{0.4, 2, -0.7}, omega{1, 0.5, -2}, eta{0.5, 1, 3};
  session.set(prefix + "alpha", alpha);
  session.set(prefix + "delta", delta);
  session.set(prefix + "omega", omega);
  session.set(prefix + "eta", eta);
  session.run();
  const std::vector<double> x = session.get("in0");
  std::vector<double> expected(x.size());
  for (int row = 0; row < kRows; ++row) {
    for (std::size_t d = 0; d < kDim; ++d) {
      double y = 0;
      for (int t = 0; t < kTime; ++t) {
        const auto at = static_cast<std::size_t>((row * kTime + t) * kDim) + d;
        const double a = sigmoid(alpha[d]);
        y = a * x[at] + (1 - a * sigmoid(delta[d])) * y;
        expected[at] = omega[d] * x[at] + eta[d] * y;
      }
    }
  }
  expect_near(session.get("out0"), expected);
}

TEST(MegaEma, StartsWhereItsOptionsSay) {
  Session session = build_hook(mixed({1, 2, 2}, {{"alpha", 0.25}, {"delta", 0.5}, {"eta", 2}}));
  session.set("in0", {1, 2, 3, 4});
  session.run();
  expect_near(session.get("out0"), {1.5, 3, 3 + 2 * (0.75 + 0.875 * 0.25), 4 + 2 * (1 + 0.875 * 0.5)});
}

TEST(MegaEma, GradientsAreThoseOfFiniteDifferences) {
  Session session = build_hook(mixed({2, 5, 3}));
  session.expect_gradients();
}

TEST(MegaEma, SeesNoFuture) {
  Session session = build_hook(mixed({1, 8, 2}));
  session.run();
  const std::vector<double> before = session.get("out0");
  std::vector<double> x = session.get("in0");
  x[10] += 1;
  session.set("in0", x);
  session.run();
  const std::vector<double> after = session.get("out0");
  for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(before[i], after[i]) << i;
  EXPECT_NE(before[12], after[12]);
}

// On the processor, in both directions: values, gradients, and any cut of the work.
TEST(MegaEma, ItsKernelKeepsItsDuties) {
  for (const graph::Shape& shape : {graph::Shape{2, 37, 64}, graph::Shape{3, 16, 130}, graph::Shape{1, 1, 5}}) {
    const Session session = build_hook(mixed(shape));
    const cpu::CustomReport report = cpu::check_custom_kernels(session.built().graph);
    EXPECT_EQ(report.kernels.size(), 2u);  // forwards, and backwards for the gradient
    for (const Error& failure : report.failures) ADD_FAILURE() << failure.text << " at " << shape.text();
  }
}

}  // namespace
}  // namespace caddie::plugins::test
