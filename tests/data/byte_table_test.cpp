#include "core/data/byte_table.hpp"

#include "core/data/truncation.hpp"
#include "tests/data/support.hpp"

namespace caddie::data {
namespace {

const std::vector<Piece>& published_pieces() {
  static const std::vector<Piece> pieces = {
      {"<unk>", PieceKind::unknown}, {"<s>", PieceKind::control}, {"The", PieceKind::normal},
      {"▁cat", PieceKind::normal},   {"▁", PieceKind::normal},    {"<0xC3>", PieceKind::byte},
      {"<0xA9>", PieceKind::byte},   {"été", PieceKind::normal},  {"▁世界", PieceKind::normal},
      {"xx", PieceKind::unused}};
  return pieces;
}

TEST(ByteTable, ClassifiesPiecesAndCountsTargets) {
  const auto table = ByteTable::build(published_pieces(), "m");
  ASSERT_TRUE(table.ok());
  const std::vector<std::tuple<int, bool, bool>> expected = {
      {0, false, true}, {0, false, true},  {3, false, false}, {3, true, false}, {0, true, false},
      {1, false, false}, {1, false, false}, {5, false, false}, {6, true, false}, {0, false, true}};
  ASSERT_EQ(table->size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    EXPECT_EQ(std::tuple(table->base(id), table->leading_space(id), table->boundary(id)), expected[i]) << i;
  }
  const std::vector<TokenId> sequence = {1, 2, 3, 4, 7, 5, 6, 8, 1, 3};
  const std::vector<int> bytes = {3, 4, 1, 5, 1, 1, 7, 0, 3};
  for (std::size_t i = 1; i < sequence.size(); ++i) {
    EXPECT_EQ(table->target_bytes(sequence[i], sequence[i - 1]), bytes[i - 1]) << i;
  }
  EXPECT_EQ(sum_target_bytes(sequence, *table), 25);
  EXPECT_EQ(sum_target_bytes({}, *table), 0);
}

TEST(ByteTable, IdsWithoutAPieceAreBoundaries) {
  const auto table = ByteTable::build(published_pieces(), "m", 16);
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(table->size(), 16U);
  EXPECT_TRUE(table->boundary(15));
  EXPECT_EQ(table->target_bytes(15, 2), 0);
  EXPECT_EQ(table->target_bytes(3, 15), 3);
}

TEST(ByteTable, RefusesVocabulariesItCannotCount) {
  auto pieces = published_pieces();
  pieces[4].text = "▁a▁b";
  EXPECT_ERROR(ByteTable::build(pieces, "m"), "with a space inside");
  pieces[4] = {"▁", PieceKind::unused};  // in the list, but never produced
  EXPECT_ERROR(ByteTable::build(pieces, "m"), "no piece for the bare space");
  EXPECT_ERROR(ByteTable::build({}, "m"), "no piece for the bare space");
}

TEST(ByteTable, BitsPerByteIsARatioOfSums) {
  EXPECT_NEAR(bits_per_byte(0.5 + 1.2 + 0.3 + 2.0, 3 + 4 + 0 + 2), 0.641197796, 1e-9);
}

TEST(Truncation, KeepsWholeSequences) {
  EXPECT_EQ(flat_sequences(30, 4), 7);
  EXPECT_EQ(kept_tokens(30, 4, TailPolicy::truncate) - 1, 28);
  EXPECT_EQ(kept_tokens(30, 4, TailPolicy::full) - 1, 29);
  EXPECT_EQ(rank_slice(7, 0, 3), std::pair(std::int64_t{0}, std::int64_t{2}));
  EXPECT_EQ(rank_slice(7, 1, 3), std::pair(std::int64_t{2}, std::int64_t{4}));
  EXPECT_EQ(rank_slice(7, 2, 3), std::pair(std::int64_t{4}, std::int64_t{7}));
  EXPECT_EQ(flat_sequences(0, 4), 0);
  EXPECT_EQ(kept_tokens(0, 4, TailPolicy::truncate), 0);
  EXPECT_EQ(kept_tokens(4, 4, TailPolicy::truncate), 1);
}

}  // namespace
}  // namespace caddie::data
