#include <gtest/gtest.h>

#include "tests/plugins/harness.hpp"
#include "tests/plugins/oracle.hpp"

namespace caddie::plugins::test {
namespace {

struct Marked {
  bool set = false;
  std::vector<double> segments;
};

// What the block says of tokens [B, T].
Marked mark(std::int64_t B, const std::vector<double>& tokens, const nlohmann::json& config,
            int mode = CADDIE_MODE_TRAIN, const std::vector<double>& given = {}) {
  const std::int64_t T = static_cast<std::int64_t>(tokens.size()) / B;
  const Dims dims = {.dim = 1, .layers = 1, .bos = 1};
  const Blocks blocks(dims, {{"varlen-attention", config}});
  BuildRequest request;
  request.mode = mode;
  request.batch = B;
  request.context = T;
  Build build(dims, request, &blocks.model->blocks());
  graph::Graph& graph = build.graph();
  build.set_wire("tokens", graph.leaf(graph::LeafKind::input, "tokens", graph::DType::i32, {B, T}));
  if (!given.empty()) {
    build.set_wire("segments", graph.leaf(graph::LeafKind::input, "given", graph::DType::i32, {B, T}));
  }
  const graph::Value e = graph.leaf(graph::LeafKind::input, "e", graph::DType::f32, {B, T, 1});
  EXPECT_EQ(build.run_hook("embed.out", "", {e}, 1)[0], e) << "the embeddings stay as they are";
  if (auto status = build.status(); !status) throw std::runtime_error(status.error().message());
  const graph::Value segments = build.wire("segments");
  if (segments == 0) return {};
  Session session(build.take(), {{"segments", segments}}, 0);
  session.set("tokens", tokens);
  if (!given.empty()) session.set("given", given);
  session.run();
  return {true, session.get("segments")};
}

std::vector<int> starts(const std::vector<double>& segments) {
  std::vector<int> found;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    if (i == 0 || segments[i] != segments[i - 1]) found.push_back(static_cast<int>(i));
  }
  return found;
}

std::vector<double> row(std::size_t length, const std::vector<std::size_t>& bos) {
  std::vector<double> tokens(length, 5);
  for (const std::size_t at : bos) tokens[at] = 1;
  return tokens;
}

TEST(VarlenAttention, CutsAtDocumentsAndAtTheLongestSegment) {  // G33
  EXPECT_EQ(starts(mark(1, row(30, {3, 4, 20}), {{"max_segment", 8}}).segments),
            (std::vector<int>{0, 3, 4, 12, 20, 28}));
  EXPECT_EQ(starts(mark(1, row(30, {0}), {{"max_segment", 8}}).segments), (std::vector<int>{0, 8, 16, 24}));
  EXPECT_EQ(starts(mark(1, row(30, {0, 29}), {}).segments), (std::vector<int>{0, 29}));
  EXPECT_EQ(starts(mark(1, row(4, {}), {{"max_segment", 1}}).segments), (std::vector<int>{0, 1, 2, 3}));
}

TEST(VarlenAttention, EqualsTheOracle) {
  for (const nlohmann::ordered_json& golden : oracle()["segments"]) {
    const Marked made =
        mark(golden["batch"], flat(golden["tokens"]), {{"max_segment", golden["max_segment"].get<int>()}});
    EXPECT_EQ(made.segments, flat(golden["segments"]));
  }
}

TEST(VarlenAttention, RowsDoNotMix) {
  const Marked made = mark(2, {1, 5, 1, 5, 5, 5, 5, 5}, {{"max_segment", 3}});
  EXPECT_EQ(made.segments, (std::vector<double>{1, 1, 2, 2, 1, 1, 1, 2}));
}

TEST(VarlenAttention, KeepsWhatTheLoaderKeptApart) {
  const std::vector<double> tokens = row(10, {4});
  const std::vector<double> given = {9, 9, 2, 2, 2, 2, 2, 7, 7, 7};
  const Marked made = mark(1, tokens, {{"max_segment", 3}}, CADDIE_MODE_TRAIN, given);
  EXPECT_EQ(starts(made.segments), (std::vector<int>{0, 2, 4, 7}));
  // A loader that cuts by the same rule changes nothing.
  const std::vector<double> same = mark(1, row(30, {3, 4, 20}), {{"max_segment", 8}}).segments;
  EXPECT_EQ(mark(1, row(30, {3, 4, 20}), {{"max_segment", 8}}, CADDIE_MODE_TRAIN, same).segments, same);
}

TEST(VarlenAttention, ScoringSeesTheWholeWindow) {
  const std::vector<double> tokens = row(6, {3});
  for (const int mode : {CADDIE_MODE_TRAIN, CADDIE_MODE_ADAPT}) EXPECT_TRUE(mark(1, tokens, {}, mode).set);
  for (const int mode : {CADDIE_MODE_EVALUATE, CADDIE_MODE_CALIBRATE}) {
    EXPECT_FALSE(mark(1, tokens, {}, mode).set);
    EXPECT_TRUE(mark(1, tokens, {{"in_evaluation", true}}, mode).set);
  }
}

}  // namespace
}  // namespace caddie::plugins::test
