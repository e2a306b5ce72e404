#include <gtest/gtest.h>

#include <cmath>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

struct Step {
  std::vector<std::int64_t> first;
  double scale = 0;
};

// A strategy with the steps it asks for.
struct Strategy {
  explicit Strategy(const nlohmann::json& config) : object(make_plugin("ttt", "score-first-sgd", config)) {}

  caddie_ttt_plan plan(std::int64_t targets, std::int64_t context) {
    const caddie_eval_info info = {sizeof info, 0, targets, context};
    caddie_ttt_plan made = {};
    made.struct_size = sizeof made;
    caddie_error error = fresh_error();
    if (table().plan(object.abi(), &info, &made, &error) != CADDIE_OK) throw std::runtime_error(error.text);
    return made;
  }

  std::vector<Step> adapt(std::int64_t index, std::int64_t count, std::int64_t first, std::int64_t targets) {
    std::vector<Step> steps;
    const caddie_host_adapt host = {
        sizeof host, 0,
        [](caddie_adapt* adapt, const int64_t* starts, int64_t rows, double scale, caddie_error*) {
          reinterpret_cast<std::vector<Step>*>(adapt)->push_back({{starts, starts + rows}, scale});
          return caddie_code{CADDIE_OK};
        },
        nullptr, nullptr};
    const caddie_chunk chunk = {sizeof chunk, 0, index, count, first, targets};
    caddie_error error = fresh_error();
    EXPECT_EQ(table().adapt(object.abi(), &chunk, &host, reinterpret_cast<caddie_adapt*>(&steps), &error), CADDIE_OK);
    return steps;
  }

  bool adapts(int layer) {
    const std::int64_t lengths[] = {2, 3};
    const caddie_tensor_info info = {sizeof info, layer, "name", "matrix", 2, 0, lengths};
    return table().adapts(object.abi(), &info) != 0;
  }

  [[nodiscard]] const caddie_ttt& table() const { return object.table<caddie_ttt>(); }
  Object object;
};

TEST(ScoreFirstSgd, ScheduleOfTheChunks) {  // G48: N 24, L 4, C 8; the rows of both ranks in one step
  Strategy strategy({{"chunk", 8}, {"epochs", 2}});
  const caddie_ttt_plan plan = strategy.plan(24, 4);
  EXPECT_EQ(plan.chunk_targets, 8);
  EXPECT_EQ(plan.context, 4);
  EXPECT_EQ(plan.rows, 2);
  EXPECT_EQ(plan.clip_norm, 1.0);
  const std::vector<std::vector<std::int64_t>> starts = {{0, 4}, {8, 12}};
  for (std::int64_t c = 0; c < 2; ++c) {
    const std::vector<Step> steps = strategy.adapt(c, 3, 8 * c, 8);
    ASSERT_EQ(steps.size(), 2u);  // one a pass
    for (const Step& step : steps) {
      EXPECT_EQ(step.first, starts[static_cast<std::size_t>(c)]);
      EXPECT_NEAR(0.005 * step.scale, c == 0 ? 0.005 : 0.0025, 1e-12);
    }
  }
  EXPECT_TRUE(strategy.adapt(2, 3, 16, 8).empty());
}

TEST(ScoreFirstSgd, CosineOver1238Chunks) {  // G48
  Strategy strategy({{"chunk", 4}, {"epochs", 1}});
  strategy.plan(1238 * 4, 4);
  const std::vector<std::pair<std::int64_t, double>> expected = {
      {0, 0.005}, {1, 0.004999991937}, {619, 0.002496825392}, {1236, 8.06250739e-09}};
  for (const auto& [chunk, rate] : expected) {
    EXPECT_NEAR(0.005 * strategy.adapt(chunk, 1238, 4 * chunk, 4).at(0).scale, rate, 1e-12) << "chunk " << chunk;
  }
}

TEST(ScoreFirstSgd, RowsInBatches) {
  Strategy strategy({{"chunk", 22}, {"epochs", 1}, {"rows", 2}});
  strategy.plan(100, 4);
  const std::vector<Step> steps = strategy.adapt(1, 5, 22, 22);  // five rows and two targets more
  ASSERT_EQ(steps.size(), 3u);
  EXPECT_EQ(steps[0].first, (std::vector<std::int64_t>{22, 26}));
  EXPECT_EQ(steps[2].first, (std::vector<std::int64_t>{38}));
}

TEST(ScoreFirstSgd, NoPassesNoSteps) {
  Strategy strategy({{"chunk", 8}, {"epochs", 0}});
  strategy.plan(24, 4);
  EXPECT_TRUE(strategy.adapt(0, 3, 0, 8).empty());
}

TEST(ScoreFirstSgd, AChunkHoldsARow) {
  Strategy strategy(nlohmann::json{{"chunk", 3}});
  EXPECT_NE(message_of([&] { strategy.plan(24, 4); }).find("holds no row"), std::string::npos);
}

TEST(ScoreFirstSgd, FreezesTheFirstLayers) {
  Strategy strategy(nlohmann::json{{"freeze_first", 2}});
  EXPECT_FALSE(strategy.adapts(0));
  EXPECT_FALSE(strategy.adapts(1));
  EXPECT_TRUE(strategy.adapts(2));
  EXPECT_TRUE(strategy.adapts(-1));
}

TEST(ScoreFirstSgd, MomentumSteps) {  // G53; the gradients as the host clips them to norm 1
  const Object strategy = make_plugin("ttt", "score-first-sgd", {{"lr", 0.008}});
  static const std::vector<BlockInstance> no_blocks;
  Build build({}, {}, &no_blocks);
  caddie_update update = {};
  update.struct_size = sizeof update;
  update.parameter = build.declare_bank("bank", {1, 2});
  update.gradient = build.graph().leaf(graph::LeafKind::input, "gradient", graph::DType::f32, {1, 2});
  update.scale = build.graph().leaf(graph::LeafKind::input, "scale", graph::DType::f32, {});
  update.bank = "bank";
  update.role = "matrix";
  build.set_instance("ttt");
  build.set_state_prefix("bank");
  graph::Value next = 0;
  caddie_error error = fresh_error();
  const auto& table = strategy.table<caddie_ttt>();
  ASSERT_EQ(table.update(strategy.abi(), to_abi(&build), &update, &next, &error), CADDIE_OK) << error.text;
  build.graph().update(update.parameter, next);
  Session session(build.take(), {}, 0);
  session.set("scale", {1});
  session.set("bank", {1, -1});
  const std::vector<std::vector<double>> gradients = {{0.6, 0.8}, {3, 4}};
  const std::vector<std::vector<double>> expected = {{0.9952000048, -1.006399994}, {0.9860800101, -1.018559987}};
  for (std::size_t step = 0; step < 2; ++step) {
    const double norm = std::hypot(gradients[step][0], gradients[step][1]);
    const double factor = std::min(1.0, 1 / (norm + 1e-6));
    session.set("gradient", {factor * gradients[step][0], factor * gradients[step][1]});
    session.run();
    expect_near(session.get("bank"), expected[step]);
  }
}

}  // namespace
}  // namespace caddie::plugins::test
