#include "core/score/vault.hpp"

#include <gtest/gtest.h>

#include "core/score/scorer.hpp"
#include "tests/train/support.hpp"

namespace caddie::score {
namespace {

using train::test::error_of;
using train::test::must;
using train::test::random_tokens;
using train::test::Stream;
using train::test::TinyModel;
using train::test::value_of;

// A vault with the scorer that seals its targets.
struct Scoring {
  explicit Scoring(const Stream& stream, std::int64_t targets)
      : executor(train::test::reference()), vault(value_of(Vault::make(*stream, targets))),
        ledger(value_of(Ledger::create({}, ""))), bytes(train::test::tiny_bytes()) {
    const plugins::BuildResult build = value_of(model->build({}));
    store = value_of(train::ParameterStore::make(*executor, build.parameters,
                                                 std::vector<int>(build.parameters.size(), train::kNoOwner), {}));
    must(store.load(model.weights()));
    scorer = value_of(Scorer::make(*executor, *model, store, 2, 4, {0, 4}, vault, *ledger, bytes));
  }
  Result<void> score(std::vector<Window> windows) { return scorer->score(windows, 0); }

  TinyModel model;
  std::unique_ptr<graph::Executor> executor;
  Vault vault;
  std::unique_ptr<Ledger> ledger;
  data::ByteTable bytes;
  train::ParameterStore store;
  std::unique_ptr<Scorer> scorer;
};

std::vector<std::int32_t> slice(const std::vector<data::TokenId>& tokens, std::size_t first, std::size_t count) {
  return {tokens.begin() + static_cast<std::ptrdiff_t>(first),
          tokens.begin() + static_cast<std::ptrdiff_t>(first + count)};
}

TEST(Vault, NeedsATokenMoreThanTargets) {
  const Stream stream({random_tokens(10, 1)});
  EXPECT_TRUE(Vault::make(*stream, 9));
  EXPECT_NE(error_of(Vault::make(*stream, 10)).find("the stream of 10 tokens has 9"), std::string::npos);
  EXPECT_FALSE(Vault::make(*stream, 0));
  EXPECT_FALSE(Vault::make(*stream, -1));
  EXPECT_FALSE(Vault::make(data::TokenStream(), 1));
}

TEST(Vault, OnlyTheFirstTokenIsFree) {
  const auto tokens = random_tokens(10, 1);
  const Stream stream({tokens});
  const Vault vault = value_of(Vault::make(*stream, 9));
  EXPECT_EQ(value_of(vault.read(0, 1)), slice(tokens, 0, 1));
  EXPECT_TRUE(value_of(vault.read(0, 0)).empty());
  EXPECT_NE(error_of(vault.read(0, 2)).find("before all of them were scored"), std::string::npos);
  EXPECT_NE(error_of(vault.read(1, 1)).find("before all of them were scored"), std::string::npos);
  EXPECT_NE(error_of(vault.read(9, 1)).find("before all of them were scored"), std::string::npos);
  EXPECT_EQ(vault.sealed_count(), 0);
}

TEST(Vault, ScoredTargetsAreFree) {
  const auto tokens = random_tokens(10, 1);
  const Stream stream({tokens});
  Scoring scoring(stream, 9);
  must(scoring.score({{0, 4, 2, 2}}));  // targets 2 and 3: tokens 3 and 4
  const Vault& vault = scoring.vault;
  EXPECT_EQ(value_of(vault.read(3, 2)), slice(tokens, 3, 2));
  EXPECT_FALSE(vault.read(2, 2));
  EXPECT_FALSE(vault.read(3, 3));
  EXPECT_FALSE(vault.read(0, 5));
  EXPECT_TRUE(vault.are_sealed(2, 2));
  EXPECT_TRUE(vault.are_sealed(2, 0));
  EXPECT_FALSE(vault.are_sealed(1, 2));
  EXPECT_FALSE(vault.are_sealed(3, 2));
  EXPECT_EQ(vault.sealed_count(), 2);
  must(scoring.score({{0, 4, 0, 2}}));
  EXPECT_EQ(value_of(vault.read(0, 5)), slice(tokens, 0, 5));
}

TEST(Vault, RangesOutsideTheTargetsAreRefused) {
  const Stream stream({random_tokens(10, 1)});
  Scoring scoring(stream, 4);  // the stream goes on, the vault does not
  must(scoring.score({{0, 4, 0, 4}}));
  const Vault& vault = scoring.vault;
  EXPECT_EQ(value_of(vault.read(0, 5)).size(), 5u);
  EXPECT_TRUE(value_of(vault.read(5, 0)).empty());
  for (const std::int64_t first : {INT64_MIN, std::int64_t{-1}, std::int64_t{0}, std::int64_t{6}, INT64_MAX}) {
    for (const std::int64_t count : {INT64_MIN, std::int64_t{-1}, std::int64_t{6}, INT64_MAX}) {
      EXPECT_FALSE(vault.read(first, count)) << first << " " << count;
      EXPECT_FALSE(vault.are_sealed(first, count)) << first << " " << count;
    }
  }
}

TEST(Vault, ATargetIsScoredOnce) {
  const Stream stream({random_tokens(10, 1)});
  Scoring scoring(stream, 9);
  must(scoring.score({{0, 4, 0, 4}}));
  EXPECT_NE(error_of(scoring.score({{2, 4, 3, 1}})).find("target 3 was scored twice"), std::string::npos);
}

}  // namespace
}  // namespace caddie::score
