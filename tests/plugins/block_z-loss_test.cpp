#include <gtest/gtest.h>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

const std::vector<BlockUse> kPlain = {{"logit-softcap"}, {"cross-entropy"}};

std::vector<BlockUse> with_z_loss(const nlohmann::json& config) {
  std::vector<BlockUse> blocks = kPlain;
  blocks.push_back({"z-loss", config});
  return blocks;
}

// What the term adds to a number of the run without it.
std::vector<double> added(const nlohmann::json& config, const Array& logits, double target, const std::string& what,
                          int mode = CADDIE_MODE_TRAIN) {
  Session with = build_loss(with_z_loss(config), logits, whole({1, 1}, {target}), mode);
  Session without = build_loss(kPlain, logits, whole({1, 1}, {target}), mode);
  with.run();
  without.run();
  std::vector<double> difference = with.get(what);
  const std::vector<double> base = without.get(what);
  for (std::size_t i = 0; i < difference.size(); ++i) difference[i] -= base[i];
  return difference;
}

const Array kA = real({1, 1, 4}, {0, 10, -20, 45});
const Array kB = real({1, 1, 4}, {1, 2, 0, 0.5});
const nlohmann::json kDefault = nlohmann::json::object();
const nlohmann::json kPublished = {{"shift", 30}, {"backprop", false}};

TEST(ZLoss, ValueAndLiveGradient) {  // G17
  expect_near(added(kDefault, kA, 1, "loss"), {0.07373640263});
  expect_near(added(kDefault, kB, 0, "loss"), {0.0006473000316});
  expect_near(added(kDefault, kA, 1, "gradient/in"),
              {8.746699414e-15, 1.211695479e-10, 1.474501088e-22, 0.0009813977683}, 1e-11);
  expect_near(added(kDefault, kB, 0, "gradient/in"),
              {0.0001084671049, 0.0002931044988, 3.996196224e-05, 6.586478982e-05}, 1e-11);
}

TEST(ZLoss, AsPublishedItOnlyChangesThePrintedLoss) {  // G17
  expect_near(added(kPublished, kA, 1, "loss"), {0.3266630884});
  expect_near(added(kPublished, kB, 0, "loss"), {0.1059125551});
  EXPECT_EQ(added(kPublished, kB, 0, "gradient/in"), std::vector<double>(4, 0.0));
}

TEST(ZLoss, OfAUniformDistribution) {  // G17
  const Array zeros = real({1, 1, 8192}, std::vector<double>(8192, 0.0));
  Session corrected = build_loss(with_z_loss(kDefault), zeros, whole({1, 1}, {5}));
  Session published = build_loss(with_z_loss(kPublished), zeros, whole({1, 1}, {5}));
  corrected.run();
  published.run();
  expect_near(corrected.get("loss"), {9.019033003});
  expect_near(published.get("loss"), {9.163098483});
}

TEST(ZLoss, StaysOutOfAdaptationUnlessAsked) {
  EXPECT_EQ(added(kDefault, kB, 0, "loss", CADDIE_MODE_ADAPT), std::vector<double>{0.0});
  expect_near(added({{"in_ttt", true}}, kB, 0, "loss", CADDIE_MODE_ADAPT), {0.0006473000316});
}

}  // namespace
}  // namespace caddie::plugins::test
