#include <gtest/gtest.h>

#include "tests/plugins/loader_support.hpp"

namespace caddie::plugins::test {
namespace {

using Row = std::vector<std::int32_t>;

std::vector<std::int32_t> counting(std::int32_t first, std::size_t count) {
  std::vector<std::int32_t> tokens(count);
  for (std::size_t i = 0; i < count; ++i) tokens[i] = first + static_cast<std::int32_t>(i);
  return tokens;
}

TEST(SequentialLoader, SlicesAreThePublishedRanks) {  // G31: tokens from 100 on, 2 ranks, 4 tokens each, rows of 2
  const MemoryShards shards({counting(100, 50)});
  const std::vector<Rows> calls = {
      {{{100, 101}, {102, 103}, {105, 106}, {107, 108}}, {{101, 102}, {103, 104}, {106, 107}, {108, 109}}},
      {{{110, 111}, {112, 113}, {115, 116}, {117, 118}}, {{111, 112}, {113, 114}, {116, 117}, {118, 119}}}};
  OpenLoader one("sequential-loader", shards, {{"slices", 2}});
  OpenLoader first("sequential-loader", shards, {{"slices", 2}});
  OpenLoader second("sequential-loader", shards, {{"slices", 2}});
  for (const Rows& call : calls) {
    EXPECT_EQ(one.next(4, 2), call);
    const Rows left = first.next(2, 2, 0, 2);
    const Rows right = second.next(2, 2, 1, 2);
    EXPECT_EQ(left.tokens, std::vector<Row>(call.tokens.begin(), call.tokens.begin() + 2));
    EXPECT_EQ(left.targets, std::vector<Row>(call.targets.begin(), call.targets.begin() + 2));
    EXPECT_EQ(right.tokens, std::vector<Row>(call.tokens.begin() + 2, call.tokens.end()));
    EXPECT_EQ(right.targets, std::vector<Row>(call.targets.begin() + 2, call.targets.end()));
  }
}

TEST(SequentialLoader, CrossesShardsAndBeginsAnew) {
  const MemoryShards shards({counting(0, 5), {}, counting(5, 4)});  // 9 tokens; a batch takes 2 * 3 + 1
  OpenLoader loader("sequential-loader", shards);
  EXPECT_EQ(loader.next(2, 3), (Rows{{{0, 1, 2}, {3, 4, 5}}, {{1, 2, 3}, {4, 5, 6}}}));
  EXPECT_EQ(loader.next(2, 3), (Rows{{{7, 8, 0}, {1, 2, 3}}, {{8, 0, 1}, {2, 3, 4}}}));
  EXPECT_EQ(loader.next(2, 3), (Rows{{{5, 6, 7}, {8, 0, 1}}, {{6, 7, 8}, {0, 1, 2}}}));
}

TEST(SequentialLoader, RowsMayBeLongerThanTheData) {
  const MemoryShards shards({counting(0, 3)});
  OpenLoader loader("sequential-loader", shards);
  EXPECT_EQ(loader.next(1, 7), (Rows{{{0, 1, 2, 0, 1, 2, 0}}, {{1, 2, 0, 1, 2, 0, 1}}}));
}

TEST(SequentialLoader, GoesOnWhereItWasSaved) {
  expect_resumes("sequential-loader", MemoryShards(telling_shards({50, 13, 70})), {}, 3, 5);
}

TEST(SequentialLoader, RanksShareABatch) {
  const MemoryShards shards(telling_shards({500, 130, 70}));
  expect_same_for_ranks("sequential-loader", shards, {});
  expect_same_for_ranks("sequential-loader", shards, {{"slices", 8}});
}

TEST(SequentialLoader, RefusesWhatItCannotDo) {
  const MemoryShards shards({counting(0, 9)});
  OpenLoader loader("sequential-loader", shards, {{"slices", 2}});
  EXPECT_NE(message_of([&] { loader.next(3, 2); }).find("slices"), std::string::npos);
  const MemoryShards empty({{}, {1}});
  EXPECT_NE(message_of([&] { OpenLoader("sequential-loader", empty); }).find("fewer than two tokens"),
            std::string::npos);

  const MemoryShards shorter({counting(0, 8)});
  OpenLoader other("sequential-loader", shorter);
  EXPECT_NE(message_of([&] { loader.load(other.save()); }).find("not those of the saved run"), std::string::npos);
}

}  // namespace
}  // namespace caddie::plugins::test
