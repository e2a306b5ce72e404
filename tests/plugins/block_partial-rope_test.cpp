#include <gtest/gtest.h>

#include <cmath>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

// The frequencies a configuration uses with R turning channels and a context of T: channel j of position 1 of a head
// that is 1 in channel j alone becomes cos(theta_j), channel j + R/2 becomes -sin(theta_j).
std::vector<double> frequencies(std::int64_t R, std::int64_t T, nlohmann::json config) {
  config["dims"] = R;
  Array q = real({1, T, R / 2, R}, std::vector<double>(static_cast<std::size_t>(T * R / 2 * R), 0.0));
  for (std::int64_t j = 0; j < R / 2; ++j) q.values[static_cast<std::size_t>((R / 2 + j) * R + j)] = 1;
  Session session =
      build_hook({.blocks = {{"partial-rope", config}}, .hook = "attn.qk", .inputs = {q, q}, .outputs = 2});
  session.run();
  const std::vector<double> turned = session.get("out0");
  std::vector<double> theta;
  for (std::int64_t j = 0; j < R / 2; ++j) {
    const auto at = static_cast<std::size_t>((R / 2 + j) * R + j);
    theta.push_back(std::atan2(-turned[at + static_cast<std::size_t>(R / 2)], turned[at]));
  }
  return theta;
}

TEST(PartialRope, Frequencies) {  // G03
  const std::vector<double> plain = {1, 0.316227766, 0.1, 0.0316227766, 0.01, 0.00316227766, 0.001, 0.000316227766};
  expect_near(frequencies(16, 2, {}), plain);
  expect_near(frequencies(16, 2, {{"scaling", "ntk"}}), plain);  // not longer than train_len
  expect_near(
      frequencies(16, 2, {{"freq_rounding", "bf16"}}),
      {1, 0.31640625, 0.1000976562, 0.03173828125, 0.01000976562, 0.003158569336, 0.0009994506836, 0.000316619873});
}

TEST(PartialRope, NtkEnlargesTheBase) {  // G03: effective bases for twice, 48 and 384 times the trained context
  expect_near(
      frequencies(16, 4, {{"scaling", "ntk"}, {"train_len", 2}}),
      {1, 0.286414971, 0.0820335356, 0.02349563272, 0.006729500963, 0.001927429823, 0.0005520447568, 0.000158113883});
  const auto second = [](double base) { return std::pow(base, -1.0 / 8); };
  EXPECT_NEAR(frequencies(16, 48, {{"scaling", "ntk"}, {"train_len", 1}})[1], second(834485.0431), 1e-8);
  EXPECT_NEAR(frequencies(16, 384, {{"scaling", "ntk"}, {"train_len", 1}})[1], second(8985068.642), 1e-8);
}

TEST(PartialRope, RampSlowsTheSlowPairs) {  // G04
  const nlohmann::json config = {{"scaling", "ramp"}, {"train_len", 2}, {"base", 5000}};
  expect_near(frequencies(8, 4, config), {1, 0.1189207115, 0.01060660172, 0.001009075698});
}

TEST(PartialRope, KeepsLengthsAndOtherChannels) {
  const Array q = wave({1, 3, 2, 8}, 1);
  const Array k = wave({1, 3, 1, 8}, 2);
  Session session =
      build_hook({.blocks = {{"partial-rope", {{"dims", 4}}}}, .hook = "attn.qk", .inputs = {q, k}, .outputs = 2});
  session.run();
  const std::vector<double> out = session.get("out0");
  for (std::size_t row = 0; row < 6; ++row) {
    for (std::size_t j : {0u, 1u}) {
      const std::size_t at = 8 * row + j;
      EXPECT_NEAR(std::hypot(out[at], out[at + 2]), std::hypot(q.values[at], q.values[at + 2]), 1e-12);
    }
    for (std::size_t j = 4; j < 8; ++j) EXPECT_EQ(out[8 * row + j], q.values[8 * row + j]);
  }
  session.expect_gradients();
}

TEST(PartialRope, ProductsDependOnTheDistanceAlone) {
  const std::vector<double> channels = wave({8}, 3).values;
  Array same = real({1, 6, 1, 8}, {});
  for (int t = 0; t < 6; ++t) same.values.insert(same.values.end(), channels.begin(), channels.end());
  Session session = build_hook(
      {.blocks = {{"partial-rope", {{"dims", 0}}}}, .hook = "attn.qk", .inputs = {same, same}, .outputs = 2});
  session.run();
  const std::vector<double> q = session.get("out0");
  const std::vector<double> k = session.get("out1");
  const auto product = [&](std::size_t t, std::size_t s) {
    double sum = 0;
    for (std::size_t j = 0; j < 8; ++j) sum += q[8 * t + j] * k[8 * s + j];
    return sum;
  };
  EXPECT_NEAR(product(2, 0), product(5, 3), 1e-12);
  EXPECT_GT(std::abs(product(2, 0) - product(3, 0)), 1e-3);
}

TEST(PartialRope, RefusesDimsThatDoNotFit) {
  for (const int dims : {5, 10}) {
    const std::string message = message_of([&] { frequencies(dims == 5 ? 8 : dims, 2, {}); });
    EXPECT_EQ(message, "") << dims;
    const std::string refused = message_of([&] {
      build_hook({.blocks = {{"partial-rope", {{"dims", dims}}}},
                  .hook = "attn.qk",
                  .inputs = {wave({1, 2, 1, 8}, 1), wave({1, 2, 1, 8}, 2)},
                  .outputs = 2});
    });
    EXPECT_NE(refused.find("\"dims\" is " + std::to_string(dims)), std::string::npos) << refused;
  }
}

}  // namespace
}  // namespace caddie::plugins::test
