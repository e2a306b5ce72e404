#include <gtest/gtest.h>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

struct Plan {
  std::vector<int> encoder, decoder;
  bool operator==(const Plan&) const = default;
};

Plan plan(const std::vector<BlockUse>& uses, int layers = 11, double progress = 1, BuildResult* built = nullptr) {
  const Dims dims = {.dim = 1, .layers = layers};
  const Blocks blocks(dims, uses);
  BuildRequest request;
  request.progress = progress;
  Build build(dims, request, &blocks.model->blocks());
  caddie_visit_plan visits = {};
  visits.struct_size = sizeof visits;
  visits.count = static_cast<std::uint32_t>(layers);
  visits.encoder = visits.count / 2;
  for (int layer = 0; layer < layers; ++layer) visits.layers[layer] = layer;
  const auto made = build.run_plan("plan.visits", visits);
  if (!made) throw std::runtime_error(made.error().message());
  if (built != nullptr) *built = build.take();
  return {{made->layers, made->layers + made->encoder}, {made->layers + made->encoder, made->layers + made->count}};
}

Plan segment(int start, int end, int loops) {
  return plan({{"depth-recurrence", {{"start", start}, {"end", end}, {"loops", loops}}}});
}
Plan repeat(const nlohmann::json& layers, int repeats) {
  return plan({{"depth-recurrence", {{"mode", "repeat"}, {"repeated", layers}, {"repeats", repeats}}}});
}

TEST(DepthRecurrence, ASegmentComesAgain) {  // G13
  EXPECT_EQ(segment(3, 5, 2), (Plan{{0, 1, 2, 3, 4, 5, 3, 4}, {5, 3, 4, 5, 6, 7, 8, 9, 10}}));
  EXPECT_EQ(segment(4, 5, 2), (Plan{{0, 1, 2, 3, 4, 5, 4}, {5, 4, 5, 6, 7, 8, 9, 10}}));
  EXPECT_EQ(segment(0, 10, 1), (Plan{{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}}));
  EXPECT_EQ(segment(10, 10, 1), (Plan{{0, 1, 2, 3, 4, 5}, {6, 7, 8, 9, 10, 10}}));
}

TEST(DepthRecurrence, LayersComeAgainAtOnceOnTheirSide) {  // PR #1033: 13 visits
  EXPECT_EQ(repeat({4, 5}, 1), (Plan{{0, 1, 2, 3, 4, 4}, {5, 5, 6, 7, 8, 9, 10}}));
  EXPECT_EQ(repeat({0, 10, 0}, 2), (Plan{{0, 0, 0, 1, 2, 3, 4}, {5, 6, 7, 8, 9, 10, 10, 10}}));
}

TEST(DepthRecurrence, BeginsWithinTheRun) {  // G61: 205.8 of 588 seconds
  const std::vector<BlockUse> uses = {{"depth-recurrence"}};
  const Plan plain = {{0, 1, 2, 3, 4}, {5, 6, 7, 8, 9, 10}};
  BuildResult built;
  EXPECT_EQ(plan(uses, 11, 205.0 / 588, &built), plain);
  EXPECT_EQ(built.progress_thresholds, (std::set<double>{0.35}));
  EXPECT_TRUE(built.effects.empty());
  EXPECT_EQ(plan(uses, 11, 205.799 / 588), plain);
  EXPECT_EQ(plan(uses, 11, 205.801 / 588, &built), segment(3, 5, 2));
  EXPECT_TRUE(built.effects.contains("depth-recurrence"));

  plan({{"depth-recurrence", {{"enable_at", 0}}}}, 11, 0, &built);
  EXPECT_TRUE(built.progress_thresholds.empty());  // one program is enough
  EXPECT_FALSE(built.effects.empty());
}

TEST(DepthRecurrence, RepeatsAfterASegment) {
  const BlockUse loop = {"depth-recurrence", {{"start", 1}, {"end", 2}, {"loops", 1}}, "loop"};
  const BlockUse again = {"depth-recurrence", {{"mode", "repeat"}, {"repeated", {2}}}, "again"};
  EXPECT_EQ(plan({loop, again}, 4), (Plan{{0, 1, 2, 2}, {1, 2, 2, 3}}));
  EXPECT_NE(message_of([&] { plan({again, loop}, 4); }).find("another block has changed it"), std::string::npos);
}

TEST(DepthRecurrence, RefusesWhatDoesNotFit) {
  const auto message = [](const nlohmann::json& config, int layers = 11) {
    return message_of([&] { plan({{"depth-recurrence", config}}, layers); });
  };
  EXPECT_NE(message({{"start", 5}, {"end", 3}}).find("\"end\" is 3, before \"start\", 5"), std::string::npos);
  EXPECT_NE(message({}, 5).find("\"end\" names layer 5, but the last of the model's 5 layers is 4"), std::string::npos);
  EXPECT_NE(message({{"mode", "repeat"}}).find("needs \"repeated\""), std::string::npos);
  EXPECT_NE(message({{"mode", "repeat"}, {"repeated", {11}}}).find("\"repeated\" names layer 11"), std::string::npos);
  EXPECT_NE(message({{"loops", 200}}).find("611 visits"), std::string::npos) << message({{"loops", 200}});
}

}  // namespace
}  // namespace caddie::plugins::test
