#include <gtest/gtest.h>

#include <deque>
#include <numeric>
#include <set>

#include "plugins/loaders/coprime-loader/order.hpp"
#include "tests/plugins/loader_support.hpp"

namespace caddie::plugins::test {
namespace {

// Gives what the test wants, in order.
class Chosen final : public coprime::Draws {
 public:
  explicit Chosen(std::deque<uint64_t> numbers, std::deque<double> units = {})
      : numbers_(std::move(numbers)), units_(std::move(units)) {}
  uint64_t below(uint64_t n) override {
    EXPECT_FALSE(numbers_.empty());
    const uint64_t number = numbers_.empty() ? 0 : numbers_.front();
    if (!numbers_.empty()) numbers_.pop_front();
    EXPECT_LT(number, n);
    return number;
  }
  double unit() override {
    const double unit = units_.front();
    units_.pop_front();
    return unit;
  }
  [[nodiscard]] bool used_up() const { return numbers_.empty() && units_.empty(); }

 private:
  std::deque<uint64_t> numbers_;
  std::deque<double> units_;
};

TEST(CoprimeLoader, WindowsOfAWalk) {  // G30: n 45, L 4, phase 2, start 3, stride 3
  Chosen draws({2, 3, 2});              // the stride is one more than the number drawn
  coprime::Walk walk = coprime::Walk::draw(45, 4, draws);
  EXPECT_EQ(walk.blocks, 10u);
  std::vector<uint64_t> starts;
  for (; walk.remaining() > 0; ++walk.next) starts.push_back(walk.window(4));
  EXPECT_EQ(starts, (std::vector<uint64_t>{14, 26, 38, 10, 22, 34, 6, 18, 30, 2}));
  EXPECT_TRUE(draws.used_up());
}

TEST(CoprimeLoader, StridesWithACommonDivisorAreDrawnAgain) {
  Chosen draws({0, 0, 1, 3, 4, 6});  // strides 2, 4, 5 divide something of 10; 7 does not
  const coprime::Walk walk = coprime::Walk::draw(41, 4, draws);
  EXPECT_EQ(walk.blocks, 10u);
  EXPECT_EQ(walk.stride, 7u);
  EXPECT_TRUE(draws.used_up());
}

TEST(CoprimeLoader, SpreadOfABatch) {  // G30: 80 shards, 264 windows; batches 0, 900, 1800, 5000
  const coprime::Spread spread;
  const std::vector<uint64_t> batches = {0, 900, 1800, 5000};
  const std::vector<double> exponents = {0.9, 0.7, 0.5, 0.5};
  const std::vector<uint64_t> shards = {8, 36, 64, 64};
  for (std::size_t i = 0; i < batches.size(); ++i) {
    EXPECT_NEAR(spread.exponent(batches[i]), exponents[i], 1e-12);
    EXPECT_EQ(spread.shards(batches[i], 80, 264), shards[i]);
  }
  EXPECT_EQ(spread.shards(0, 3, 264), 3u);
  EXPECT_EQ(spread.shards(5000, 80, 5), 5u);
  EXPECT_EQ(spread.shards(0, 1, 1), 1u);
  const std::vector<double> pi = coprime::shares({100, 400, 25}, 0.9);
  expect_near(pi, {0.2096709975, 0.73011682, 0.06021218249});
}

TEST(CoprimeLoader, InterleavesFromTheEndOfEveryBucket) {  // G30: orders [2, 0, 1], [1, 0], [0]
  Chosen draws({1, 0, 0});
  EXPECT_EQ(coprime::interleave<int>({{1, 2, 3}, {4}, {5, 6}}, draws), (std::vector<int>{6, 3, 4, 2, 5, 1}));
  EXPECT_TRUE(draws.used_up());
}

TEST(CoprimeLoader, PortionsAreOfDistinctShards) {
  Chosen draws({}, {0.99, 0.5, 0.0, 0.7, 0.99});
  // 0.99 of 1 falls on shard 2, 0.5 of the remaining 0.6 on shard 1; then 0, 0.7 and 0.99 of the two among themselves
  const auto portions = coprime::portions({0.2, 0.4, 0.4}, 2, 5, draws);
  ASSERT_EQ(portions.size(), 2u);
  EXPECT_EQ(portions[0].shard, 2u);
  EXPECT_EQ(portions[1].shard, 1u);
  EXPECT_EQ(portions[0].windows, 2u);
  EXPECT_EQ(portions[1].windows, 3u);
}

// Starts of the windows, by shard.
std::map<std::int32_t, std::multiset<std::int32_t>> starts_of(const std::vector<Rows>& batches) {
  std::map<std::int32_t, std::multiset<std::int32_t>> starts;
  for (const Rows& rows : batches) {
    for (const auto& row : rows.tokens) starts[row[0] / kShardStep].insert(row[0] % kShardStep);
  }
  return starts;
}

TEST(CoprimeLoader, EveryBlockOfAShardComesOnceAWalk) {
  constexpr std::int64_t kContext = 8;
  const MemoryShards shards(telling_shards({1000}));
  OpenLoader loader("coprime-loader", shards);
  std::vector<Rows> batches;
  // A walk has 124 windows, or 125 at phase 0 .. 7: the first 124 windows are all different, of one phase.
  for (int batch = 0; batch < 31; ++batch) {
    batches.push_back(loader.next(4, kContext));
    expect_windows(batches.back());
  }
  const auto starts = starts_of(batches).at(0);
  EXPECT_EQ(std::set<std::int32_t>(starts.begin(), starts.end()).size(), 124u);
  for (const std::int32_t start : starts) EXPECT_EQ(start % kContext, *starts.begin() % kContext);
}

TEST(CoprimeLoader, ABatchMayNeedSeveralWalks) {
  const MemoryShards shards(telling_shards({9, 33}));  // one window, and three or four
  OpenLoader loader("coprime-loader", shards, {{"ramp", 0}});
  std::vector<Rows> batches = {loader.next(50, 8)};
  expect_windows(batches[0]);
  EXPECT_EQ(starts_of(batches).size(), 2u);
  EXPECT_GT(starts_of(batches).at(1).size(), 4u);
}

TEST(CoprimeLoader, LargerShardsComeMoreOften) {
  const MemoryShards shards(telling_shards({4000, 1000, 200, 5}));  // the last one has no window
  OpenLoader loader("coprime-loader", shards, {{"low", 1}, {"high", 1}, {"exponent_first", 1}, {"exponent_last", 1}});
  std::vector<Rows> batches;
  for (int batch = 0; batch < 600; ++batch) batches.push_back(loader.next(1, 8));
  auto starts = starts_of(batches);
  EXPECT_FALSE(starts.contains(3));
  EXPECT_GT(starts[0].size(), 2 * starts[1].size());
  EXPECT_GT(starts[1].size(), 2 * starts[2].size());
  EXPECT_GT(starts[2].size(), 5u);
}

TEST(CoprimeLoader, RanksTakeEveryRthEntry) {
  const MemoryShards shards(telling_shards({400, 300, 200}));
  OpenLoader one("coprime-loader", shards);
  OpenLoader second("coprime-loader", shards);
  const Rows all = one.next(6, 8);
  const Rows part = second.next(2, 8, 1, 3);
  EXPECT_EQ(part.tokens[0], all.tokens[1]);
  EXPECT_EQ(part.tokens[1], all.tokens[4]);
  expect_same_for_ranks("coprime-loader", shards, {{"ramp", 10}});
}

TEST(CoprimeLoader, GoesOnWhereItWasSaved) {
  expect_resumes("coprime-loader", MemoryShards(telling_shards({120, 90, 300, 20})), {{"ramp", 20}, {"low", 1}}, 3, 8);
  expect_resumes("coprime-loader", MemoryShards(telling_shards({60})), {}, 4, 8);
}

TEST(CoprimeLoader, DamagedPositionsLeadNowhereElse) {
  expect_survives_damage("coprime-loader", MemoryShards(telling_shards({120, 90, 40})), 4, 8);
}

TEST(CoprimeLoader, RefusesWhatItCannotDo) {
  const MemoryShards small(telling_shards({8, 3}));
  EXPECT_NE(message_of([&] { OpenLoader("coprime-loader", small).next(1, 8); }).find("no shard is longer"),
            std::string::npos);
  const MemoryShards shards(telling_shards({120, 90}));
  OpenLoader changing("coprime-loader", shards);
  changing.next(1, 8);
  EXPECT_NE(message_of([&] { changing.next(1, 9); }).find("context changed"), std::string::npos);
}

}  // namespace
}  // namespace caddie::plugins::test
