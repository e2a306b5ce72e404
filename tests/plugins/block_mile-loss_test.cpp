#include <gtest/gtest.h>

#include <cmath>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

// Three tokens with the given entropies, in a step of which this share of the run is over.
HookCase weighing(const std::vector<double>& entropies, const nlohmann::json& config, int mode = CADDIE_MODE_TRAIN) {
  const auto T = static_cast<std::int64_t>(entropies.size());
  const Array ones = real({1, T}, std::vector<double>(entropies.size(), 1.0));
  return {.blocks = {{"mile-loss", config}},
          .hook = "loss.weight",
          .inputs = {ones, ones, ones, real({1, T}, entropies)},
          .request = {.mode = mode, .context = T},
          .visit = -1};
}

caddie_step over(double fraction, std::int64_t step = 0) {
  caddie_step at = step_at(step);
  at.fraction = fraction;
  return at;
}

TEST(MileLoss, WeighsByTheEntropy) {  // G18
  Session session = build_hook(weighing({1.110692133, 0.1677004968, 0}, {}));
  session.run(over(0.4));  // gamma 0.75
  expect_near(session.get("out0"), {0.7411074907, 0.2463034985, 0.2});
  session.run(over(0));  // gamma 0: plain cross-entropy
  expect_near(session.get("out0"), {1, 1, 1});
  Session steep = build_hook(weighing({0.1677004968, -1e-12}, {{"gamma", 1.5}}));
  steep.run(over(0.4));
  expect_near(steep.get("out0"), {0.2, 0.2});  // rounding of an entropy below zero does no harm
}

TEST(MileLoss, TheLossOfAToken) {  // G18: the first distribution, target 0
  Session session = build_hook(weighing({1.110692133}, {}));
  session.run(over(0.4));
  EXPECT_NEAR(session.get("out0")[0] * -std::log(0.2134016136), 1.144699348, 1e-8);
}

TEST(MileLoss, TheExponentIsATriangle) {  // G18
  Session session = build_hook(weighing({1}, {}));
  const std::vector<double> q = {0, 0.1, 0.2, 0.4, 0.5, 0.7, 1};
  const std::vector<double> gamma = {0, 0.1875, 0.375, 0.75, 0.625, 0.375, 0};
  for (std::size_t i = 0; i < q.size(); ++i) {
    session.run(over(q[i]));
    expect_near(session.get("scalar/mile-loss.gamma"), {gamma[i]});
  }
  for (const double peak : {0.0, 1.0}) {
    Session edge = build_hook(weighing({1}, {{"peak", peak}}));
    edge.run(over(peak));
    expect_near(edge.get("scalar/mile-loss.gamma"), {0.75});
  }
}

TEST(MileLoss, AsPublishedTheExponentIsOneStepLate) {
  Session session = build_hook(weighing({1}, {{"lag", 1}}));
  const double base = 1 - std::exp(-1.0);
  const std::vector<double> q = {0.1, 0.2, 0.5};
  const std::vector<double> gamma = {0.75, 0.1875, 0.375};  // the first step has the whole gamma
  for (std::size_t i = 0; i < q.size(); ++i) {
    session.run(over(q[i], static_cast<std::int64_t>(i)));
    expect_near(session.get("out0"), {std::pow(base, gamma[i])});
  }
}

TEST(MileLoss, NoGradientThroughTheWeight) {
  Session session = build_hook(weighing({0.9, 0.4, 1.3}, {}));
  session.set("in0", {0.5, 2, -1});
  session.run(over(0.4));
  EXPECT_FALSE(session.has_gradient("in3"));
  session.expect_gradients();
}

TEST(MileLoss, OnlyInTraining) {
  for (const int mode : {CADDIE_MODE_EVALUATE, CADDIE_MODE_ADAPT, CADDIE_MODE_CALIBRATE}) {
    Session session = build_hook(weighing({0.1}, {{"lag", 1}}, mode));
    session.run(over(0.4));
    expect_near(session.get("out0"), {1});
    EXPECT_TRUE(session.built().states.empty());
  }
}

}  // namespace
}  // namespace caddie::plugins::test
