// What the forward and the backward pass by multiply-adds share, for all kinds of words (words.hpp). Scores,
// [key][query], are turned into words of weights that are at once packed operands of the next products: with float32
// in their place, with bfloat16 in pairs of keys or of queries.
#pragma once

#include "core/cpu/kernels/per_isa/attention_common.hpp"
#include "core/cpu/kernels/per_isa/packing.hpp"

namespace caddie::cpu::CADDIE_ISA::attention {

static_assert(kPanel == kTileColumns);
// Keys of one tile: even, and a multiple of kTileRows under every instruction set.
constexpr std::int64_t kKeyTile = 126;

CADDIE_INLINE std::int64_t padded_rows(std::int64_t rows) { return (rows + kTileRows - 1) / kTileRows * kTileRows; }
CADDIE_INLINE std::int64_t padded_columns(std::int64_t n) {
  return (n + kTileColumns - 1) / kTileColumns * kTileColumns;
}
inline std::int64_t query_panels(const AttentionShape& s) { return (s.queries + kPanel - 1) / kPanel; }

// `count` positions from `at` on as rows of A, or transposed: then they are the depth of `dim` rows.
template <class Word>
inline void pack_left(const HeadsIn& x, std::int64_t at, bool transposed, std::int64_t count, std::int64_t dim,
                      float* out) {
  with_numbers<(Word::kNumbers > 1)>(x, at, [&](const auto* numbers) {
    pack_rows<Word>(numbers, x.position_stride, transposed, transposed ? dim : count, transposed ? count : dim, out);
  });
}
// As the depth of `dim` columns of B, or transposed: then they are the columns.
template <class Word>
inline void pack_right(const HeadsIn& x, std::int64_t at, bool transposed, std::int64_t count, std::int64_t dim,
                       float* out) {
  with_numbers<(Word::kNumbers > 1)>(x, at, [&](const auto* numbers) {
    pack_columns<Word>(numbers, x.position_stride, transposed, transposed ? dim : count, transposed ? count : dim, out);
  });
}

// c[rows][kPanel] = packed A * a panel of B (overwrite).
template <class Word>
CADDIE_INLINE void panel_product(const float* packed_a, std::int64_t rows, std::int64_t words, const float* b, float* c,
                                 std::int64_t ldc) {
  TileArgs t{words, packed_a, kTileRows, b, kPanel, c, ldc, kLanes, nullptr};
  for (std::int64_t i = 0; i < rows; i += kTileRows) {
    tile_rows<Word, kPanelVectors, 0, Old::overwrite>(least(kTileRows, rows - i), t);
    t.a += kTileRows * words;
    t.c += kTileRows * ldc;
  }
}

// 2^x for x <= 0, as exact as the words' numbers.
CADDIE_INLINE F exp2_weight(Float32Word, F x) { return exp2_nonpositive(x); }
#if defined(__AVX512BF16__)
CADDIE_INLINE F exp2_weight(Bfloat16Word, F x) { return exp2_of_8_bits(x); }
#endif

}  // namespace caddie::cpu::CADDIE_ISA::attention
