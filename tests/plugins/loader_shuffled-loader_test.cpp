#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/plugins/loader_support.hpp"

namespace caddie::plugins::test {
namespace {

TEST(ShuffledLoader, PopsThePermutationFromItsEnd) {  // G32: n 23, L 4, phase 1, permutation 3 0 4 1 2
  const MemoryShards shards(telling_shards({23}));
  // Fisher and Yates from the end: the number drawn for each length makes the permutation.
  const std::map<std::uint64_t, std::uint64_t> drawn = {{5, 2}, {4, 1}, {3, 2}, {2, 0}};
  OpenLoader loader("shuffled-loader", shards, {}, [&](std::string_view name, std::uint64_t index) -> std::uint64_t {
    if (name == "shuffled-loader.phase") return bits_for(1, 4);
    if (name == "shuffled-loader.order") return bits_for(drawn.at(index & 0xFFFF), index & 0xFFFF);
    return 0;
  });
  std::vector<std::int32_t> popped;
  for (int i = 0; i < 5; ++i) {
    const Rows rows = loader.next(1, 4);
    expect_windows(rows);
    popped.push_back(rows.tokens[0][0]);
  }
  EXPECT_EQ(popped, (std::vector<std::int32_t>{9, 5, 17, 1, 13}));
}

TEST(ShuffledLoader, EveryWindowComesOnceAPass) {
  const MemoryShards shards(telling_shards({97, 49, 6, 65}));  // at most 12, 6, 0 and 8 windows of 8
  OpenLoader loader("shuffled-loader", shards);
  for (int pass = 0; pass < 3; ++pass) {
    std::set<std::int32_t> seen;
    std::map<std::int32_t, std::set<std::int32_t>> phases;
    // The number of windows depends on the phases: 11 or 12, 5 or 6, 7 or 8. No window may come before all have.
    for (int row = 0; row < 23; ++row) {
      const Rows rows = loader.next(1, 8);
      expect_windows(rows);
      EXPECT_TRUE(seen.insert(rows.tokens[0][0]).second);
      phases[rows.tokens[0][0] / kShardStep].insert(rows.tokens[0][0] % 8);
    }
    for (const auto& [shard, found] : phases) EXPECT_EQ(found.size(), 1u) << "shard " << shard;
    EXPECT_EQ(phases.size(), 3u);
    loader.load(OpenLoader("shuffled-loader", shards).save());  // begins anew
  }
}

TEST(ShuffledLoader, APassThatIsOverIsShuffledAnew) {
  const MemoryShards shards(telling_shards({41}));  // 4 or 5 windows of 8
  OpenLoader loader("shuffled-loader", shards);
  std::set<std::int32_t> starts;
  for (int row = 0; row < 60; ++row) starts.insert(loader.next(1, 8).tokens[0][0]);
  EXPECT_GT(starts.size(), 10u);  // other phases
}

TEST(ShuffledLoader, LanesOwnTheirShards) {
  const MemoryShards shards(telling_shards({200, 200, 200, 200, 200}));
  OpenLoader loader("shuffled-loader", shards, {{"lanes", 2}});
  for (int batch = 0; batch < 20; ++batch) {
    const Rows rows = loader.next(4, 8);
    for (std::size_t row = 0; row < 4; ++row) EXPECT_EQ(rows.tokens[row][0] / kShardStep % 2, row < 2 ? 0 : 1);
  }
}

TEST(ShuffledLoader, RanksShareABatch) {
  const MemoryShards shards(telling_shards({400, 300, 200}));
  expect_same_for_ranks("shuffled-loader", shards, {});
  expect_same_for_ranks("shuffled-loader", shards, {{"lanes", 2}});
}

TEST(ShuffledLoader, GoesOnWhereItWasSaved) {
  expect_resumes("shuffled-loader", MemoryShards(telling_shards({120, 5, 90, 41})), {}, 3, 8);
  expect_resumes("shuffled-loader", MemoryShards(telling_shards({120, 90, 41})), {{"lanes", 3}}, 3, 8);
}

TEST(ShuffledLoader, DamagedPositionsLeadNowhereElse) {
  expect_survives_damage("shuffled-loader", MemoryShards(telling_shards({120, 90, 40})), 4, 8);
}

TEST(ShuffledLoader, RefusesWhatItCannotDo) {
  const MemoryShards shards(telling_shards({40, 5}));
  EXPECT_NE(message_of([&] {
              OpenLoader("shuffled-loader", shards, {{"lanes", 3}});
            }).find("lanes"),
            std::string::npos);
  OpenLoader loader("shuffled-loader", shards, {{"lanes", 2}});
  EXPECT_NE(message_of([&] { loader.next(3, 4); }).find("lanes"), std::string::npos);
  EXPECT_NE(message_of([&] { loader.next(2, 8); }).find("lane 1"), std::string::npos);
}

}  // namespace
}  // namespace caddie::plugins::test
