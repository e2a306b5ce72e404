#include <gtest/gtest.h>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

const nlohmann::json kRope = {{"dims", 4}};

// Eight equal positions of one head.
Array repeated(const std::vector<double>& channels) {
  Array all = real({1, 8, 1, 8}, {});
  for (int t = 0; t < 8; ++t) all.values.insert(all.values.end(), channels.begin(), channels.end());
  return all;
}

std::vector<double> at_position(const std::vector<double>& values, std::size_t t) {
  const auto first = values.begin() + static_cast<std::ptrdiff_t>(8 * t);
  return {first, first + 8};
}

TEST(QkGain, NormalisesBeforeRopeAndGainsAfterIt) {  // G02; the manifest's order does not matter
  const std::vector<double> channels = {1, -2, 3, 0.5, 2, -1, 0.25, 4};
  const std::vector<std::vector<double>> expected = {
      {0.7139569311, -1.427913862, 2.141870793, 0.3569784656, 1.427913862, -0.7139569311, 0.1784892328, 2.855827725},
      {2.188074702, -1.424272742, 0.5564836866, 0.3712395174, 1.427913862, -0.7139569311, 0.1784892328, 2.855827725},
      {1.945434147, -1.399448811, 1.145701084, 0.4559765867, 1.427913862, -0.7139569311, 0.1784892328, 2.855827725}};
  for (const bool rope_first : {true, false}) {
    std::vector<BlockUse> blocks = {{"qk-gain"}, {"partial-rope", kRope}};
    if (rope_first) std::swap(blocks[0], blocks[1]);
    Session session = build_hook(
        {.blocks = blocks, .hook = "attn.qk", .inputs = {repeated(channels), repeated(channels)}, .outputs = 2});
    session.run();
    const std::size_t positions[] = {0, 1, 7};
    for (std::size_t i = 0; i < 3; ++i) {
      expect_near(at_position(session.get("out0"), positions[i]), expected[i]);
      std::vector<double> ungained = expected[i];
      for (double& value : ungained) value /= 1.5;
      expect_near(at_position(session.get("out1"), positions[i]), ungained);
    }
  }
}

TEST(QkGain, HasOneGainAHead) {
  Session session = build_hook({.blocks = {{"qk-gain", {{"gain_init", 5.0}}}},
                                .hook = "attn.qk",
                                .inputs = {wave({1, 2, 4, 6}, 1), wave({1, 2, 2, 6}, 2)},
                                .outputs = 2});
  const TensorDeclaration& gain = session.built().parameters.at(0);
  EXPECT_EQ(gain.path, "blocks.0.qk-gain.gain");
  EXPECT_EQ(gain.role, "scalar");
  EXPECT_EQ(session.get(gain.path), std::vector<double>(4, 5.0));
  session.set(gain.path, {1, 2, -1, 0.5});
  session.expect_gradients();
}

}  // namespace
}  // namespace caddie::plugins::test
