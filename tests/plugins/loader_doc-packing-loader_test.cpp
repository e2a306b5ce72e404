#include <gtest/gtest.h>

#include "tests/plugins/loader_support.hpp"
#include "tests/plugins/oracle.hpp"

namespace caddie::plugins::test {
namespace {

using Shard = std::vector<std::int32_t>;

// Tokens 10, 11, ... with BOS (1) at these places.
Shard documents(std::size_t size, const std::vector<std::size_t>& bos) {
  Shard tokens(size);
  for (std::size_t i = 0; i < size; ++i) tokens[i] = static_cast<std::int32_t>(10 + i);
  for (const std::size_t at : bos) tokens[at] = 1;
  return tokens;
}

std::vector<int> starts(const std::vector<std::int32_t>& segments) {
  std::vector<int> found;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    if (i == 0 || segments[i] != segments[i - 1]) found.push_back(static_cast<int>(i));
  }
  return found;
}

TEST(DocPackingLoader, SegmentsOfARow) {  // G33
  const MemoryShards shards({documents(40, {0, 3, 4, 20})});
  OpenLoader loader("doc-packing-loader", shards, {{"max_segment", 8}});
  const Rows rows = loader.next(1, 30);
  EXPECT_EQ(starts(rows.segments[0]), (std::vector<int>{0, 3, 4, 12, 20, 28}));
  const MemoryShards one({documents(40, {0})});
  EXPECT_EQ(starts(OpenLoader("doc-packing-loader", one, {{"max_segment", 8}}).next(1, 30).segments[0]),
            (std::vector<int>{0, 8, 16, 24}));
}

TEST(DocPackingLoader, SegmentsEqualTheOracle) {
  for (const nlohmann::ordered_json& golden : oracle()["segments"]) {
    const std::int64_t B = golden["batch"];
    const std::int64_t T = golden["context"];
    const auto given = golden["tokens"].get<Shard>();
    Shard tokens;
    for (std::int64_t row = 0; row < B; ++row) {
      tokens.insert(tokens.end(), given.begin() + row * T, given.begin() + (row + 1) * T);
      tokens.push_back(5);  // only a target
    }
    tokens[0] = 1;  // so that the first row begins there; it is the start of a segment in any case
    const MemoryShards shards({tokens});
    OpenLoader loader("doc-packing-loader", shards, {{"max_segment", golden["max_segment"].get<int>()}});
    const Rows rows = loader.next(B, T);
    const auto expected = flat(golden["segments"]);
    for (std::int64_t row = 0; row < B; ++row) {
      for (std::int64_t t = 0; t < T; ++t) {
        EXPECT_EQ(rows.segments[static_cast<std::size_t>(row)][static_cast<std::size_t>(t)] + 1,
                  expected[static_cast<std::size_t>(row * T + t)]);
      }
    }
  }
}

TEST(DocPackingLoader, RowsFollowEachOtherFromTheFirstDocument) {
  const MemoryShards shards({documents(20, {3, 9}), documents(12, {})});
  OpenLoader loader("doc-packing-loader", shards);
  const Rows first = loader.next(2, 4);  // 10 of the 17 tokens from the BOS on
  EXPECT_EQ(first.tokens, (std::vector<Shard>{{1, 14, 15, 16}, {18, 1, 20, 21}}));
  EXPECT_EQ(first.targets, (std::vector<Shard>{{14, 15, 16, 17}, {1, 20, 21, 22}}));
  EXPECT_EQ(first.segments, (std::vector<Shard>{{0, 0, 0, 0}, {0, 1, 1, 1}}));
  // The 7 left are too few: the next shard, which has no BOS, from its first token; then the first again.
  EXPECT_EQ(loader.next(2, 4).tokens, (std::vector<Shard>{{10, 11, 12, 13}, {15, 16, 17, 18}}));
  EXPECT_EQ(loader.next(2, 4).tokens, first.tokens);
}

TEST(DocPackingLoader, PassesOverShardsThatAreTooShort) {
  const MemoryShards shards({documents(6, {0}), documents(9, {8}), documents(11, {1})});
  OpenLoader loader("doc-packing-loader", shards);
  for (int batch = 0; batch < 3; ++batch) EXPECT_EQ(loader.next(2, 4).tokens[0], (Shard{1, 12, 13, 14}));
  const std::string message = message_of([&] { loader.next(2, 5); });
  EXPECT_NE(message.find("no shard has the 12 tokens of a batch after its first BOS"), std::string::npos) << message;
}

TEST(DocPackingLoader, FindsABosFarIn) {
  const MemoryShards shards({documents(200000, {131071, 150000})});
  EXPECT_EQ(OpenLoader("doc-packing-loader", shards).next(1, 2).tokens[0], (Shard{1, 131082}));
}

TEST(DocPackingLoader, RanksShareABatch) {
  expect_same_for_ranks("doc-packing-loader", MemoryShards({documents(500, {2, 90, 91, 300}), documents(400, {7})}),
                        {});
}

TEST(DocPackingLoader, GoesOnWhereItWasSaved) {
  const MemoryShards shards({documents(120, {5, 60}), documents(31, {0}), documents(90, {3, 4, 50})});
  expect_resumes("doc-packing-loader", shards, {{"max_segment", 5}}, 3, 8);
}

TEST(DocPackingLoader, DamagedPositionsLeadNowhereElse) {
  expect_survives_damage("doc-packing-loader", MemoryShards(telling_shards({120, 90, 40})), 4, 8);
}

TEST(DocPackingLoader, APositionInOtherShardsIsRefused) {
  const std::vector<std::uint8_t> saved = OpenLoader("doc-packing-loader", MemoryShards({documents(120, {0})})).save();
  const MemoryShards others({documents(121, {0})});
  EXPECT_NE(
      message_of([&] { OpenLoader("doc-packing-loader", others).load(saved); }).find("not those of the saved run"),
      std::string::npos);
}

}  // namespace
}  // namespace caddie::plugins::test
