#include "core/artifact/sizes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "tests/artifact/support.hpp"

namespace caddie::artifact {
namespace {

using testing::ElementsAre;

// Artifact and code together, in decimal bytes. (G62)
TEST(Cap, CountsArtifactAndCode) {
  const CapCheck first = check_cap(15'868'839, 28'304);
  EXPECT_EQ(first.total, 15'897'143);
  EXPECT_EQ(first.headroom, 102'857);
  EXPECT_TRUE(first.fits);
  EXPECT_TRUE(check_cap(15'999'999, 1).fits);
  EXPECT_FALSE(check_cap(15'999'999, 2).fits);
  EXPECT_EQ(check_cap(15'999'999, 2).headroom, -1);
}

TEST(Apportion, AddsUpAndFollowsTheWeights) {
  const auto shares = [](std::int64_t total, std::vector<double> weights) { return apportion(total, weights); };
  EXPECT_THAT(shares(10, {1, 1, 2}), ElementsAre(3, 2, 5));
  EXPECT_THAT(shares(1, {1, 1, 1}), ElementsAre(1, 0, 0));
  EXPECT_THAT(shares(7, {0, 0}), ElementsAre(7, 0));
  EXPECT_THAT(shares(0, {3, 4}), ElementsAre(0, 0));
  EXPECT_TRUE(shares(5, {}).empty());
  std::vector<double> many;
  for (int i = 0; i < 1000; ++i) many.push_back(1.0 / (i + 1));
  const auto of_many = apportion(16'000'000, many);
  EXPECT_EQ(std::accumulate(of_many.begin(), of_many.end(), std::int64_t{0}), 16'000'000);
}

std::int64_t sum(const std::vector<SizeRow>& rows) {
  return std::accumulate(rows.begin(), rows.end(), std::int64_t{0},
                         [](std::int64_t total, const SizeRow& row) { return total + row.bytes; });
}

TEST(SizeTable, EveryTableAddsUpToTheFile) {
  test::Bench bench;
  test::standard_stack(bench);
  const Quantized coded = test::quantized(bench, test::small_model());
  const Written written = test::written(bench, coded);
  const SizeTable& sizes = written.sizes;
  EXPECT_EQ(sizes.total, static_cast<std::int64_t>(written.bytes.size()));
  EXPECT_EQ(sum(sizes.groups), sizes.total);
  EXPECT_EQ(sum(sizes.streams), sizes.total);
  EXPECT_EQ(sum(sizes.tensors), sizes.total);
  EXPECT_EQ(sizes.tensors.size(), 1 + coded.tensors.size());
  EXPECT_EQ(sizes.groups[1].name, "codes");
  EXPECT_EQ(sizes.groups[1].raw_bytes, 40 * 16 + 2 * (2 * 256 + 2 * 1024));
  // A reader computes the same table.
  const auto artifact = Artifact::open(written.bytes, "x");
  ASSERT_TRUE(artifact);
  const auto again = artifact->sizes(test::decoders());
  ASSERT_TRUE(again) << again.error().message();
  for (std::size_t i = 0; i < sizes.tensors.size(); ++i) EXPECT_EQ(again->tensors[i].bytes, sizes.tensors[i].bytes);
}

// Two tensors of one stream: zeros cost almost nothing beside noise.
TEST(SizeTable, SharesFollowInformation) {
  Header header;
  header.quantizers.push_back({"q", "x", "1", {}});
  for (const char* name : {"zeros", "noise"})
    header.tensors.push_back({{name, "matrix", 0, {1000}}, {{0, {{"codes", 1000}}}}});
  header.groups.push_back({std::nullopt, {"q.codes"}});
  StreamBytes stream{"q.codes", std::vector<std::uint8_t>(2000)};
  for (std::size_t i = 1000; i < 2000; ++i) stream.bytes[i] = static_cast<std::uint8_t>(1 + i * 37 % 200);
  const std::vector<std::int64_t> packed = {1000};
  const SizeTable table = attribute_sizes(header, std::span(&stream, 1), packed, 50);
  EXPECT_EQ(table.total, 1050);
  EXPECT_LT(table.tensors[1].bytes, 130);
  EXPECT_EQ(table.tensors[1].bytes + table.tensors[2].bytes, 1000);
}

}  // namespace
}  // namespace caddie::artifact
