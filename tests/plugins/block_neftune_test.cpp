#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/graph/random.hpp"

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

HookCase noisy(const nlohmann::json& config, const graph::Shape& shape, int mode = CADDIE_MODE_TRAIN) {
  return {.blocks = {{"neftune", config}},
          .hook = "embed.out",
          .inputs = {wave(shape, 1, 0.1)},
          .request = {.mode = mode},
          .visit = -1};
}

// Noise of one run: what came out minus what went in.
std::vector<double> noise(Session& session, std::int64_t step, std::uint64_t seed) {
  session.run(step, seed);
  std::vector<double> difference = session.get("out0");
  const std::vector<double> in = session.get("in0");
  for (std::size_t i = 0; i < in.size(); ++i) difference[i] -= in[i];
  return difference;
}

TEST(Neftune, AmplitudeOfAShortText) {  // G20: alpha 5, T 3, D 4
  Session session = build_hook(noisy({}, {1, 3, 4}));
  const std::vector<double> made = noise(session, 4, 11);
  std::uint64_t site = 0;
  for (const graph::Node& node : session.built().graph.nodes()) {
    if (node.op == graph::Op::random_uniform) site = node.site;
  }
  for (std::size_t i = 0; i < made.size(); ++i) {  // (2u - 1) r, u the run's own random number
    const double u = graph::uniform_at(11, 0, 4, site, i);
    EXPECT_NEAR(made[i], (2 * u - 1) * 1.443375673, 1e-6);
  }
}

TEST(Neftune, LengthFixesTheScale) {  // G20: 2048 tokens, 512 channels: 0.0048828125, standard deviation 0.002819
  Session session = build_hook(noisy({{"length", 2048}}, {2, 64, 512}));
  const std::vector<double> made = noise(session, 0, 1);
  double largest = 0;
  double squares = 0;
  for (const double value : made) {
    largest = std::max(largest, std::abs(value));
    squares += value * value;
  }
  EXPECT_LE(largest, 0.0048828125);
  EXPECT_GT(largest, 0.00488);
  EXPECT_NEAR(std::sqrt(squares / static_cast<double>(made.size())), 0.002819093111, 2e-5);
}

TEST(Neftune, TheSameSeedAndStepGiveTheSameNoise) {
  Session session = build_hook(noisy({}, {1, 3, 4}));
  const std::vector<double> first = noise(session, 4, 11);
  EXPECT_EQ(noise(session, 4, 11), first);
  EXPECT_NE(noise(session, 5, 11), first);
  EXPECT_NE(noise(session, 4, 12), first);
  session.expect_gradients();  // noise is added: the gradient passes unchanged
}

TEST(Neftune, OnlyTrainingIsNoisy) {
  for (const int mode : {CADDIE_MODE_EVALUATE, CADDIE_MODE_CALIBRATE, CADDIE_MODE_ADAPT}) {
    Session session = build_hook(noisy({}, {1, 3, 4}, mode));
    EXPECT_EQ(noise(session, 0, 1), std::vector<double>(12, 0.0));
  }
}

}  // namespace
}  // namespace caddie::plugins::test
