// Operands of products -> panels of kWidth lines (rows of A, columns of B): [panel][word of the depth][kWidth]; the
// last one is padded with zeros.
#pragma once

#include "core/cpu/kernels/per_isa/micro_kernel.hpp"

namespace caddie::cpu::CADDIE_ISA {

// One word of kWidth lines that all exist.
template <class Word, int kWidth, class Number>
CADDIE_INLINE void pack_across(const Number* source, std::int64_t ld, std::int64_t depth, float* out) {
  constexpr int kWhole = kWidth / kLanes;
  constexpr int kRest = kWidth % kLanes;
  for (int v = 0; v < kWhole; ++v) store(out + v * kLanes, Word::across(source + v * kLanes, ld, depth, kLanes));
  if constexpr (kRest > 0) {
    store_first(out + kWhole * kLanes, Word::across(source + kWhole * kLanes, ld, depth, kRest), kRest);
  }
}

// From a source whose rows run along the lines. Several panels at a time: rows far apart share sets of the caches and
// cost a page each, so a row is used while it is at hand.
template <class Word, int kWidth, class Number>
void copy_panels(const Number* source, std::int64_t ld, std::int64_t depth, std::int64_t lines, float* out) {
  constexpr std::int64_t kGroup = 10;
  const std::int64_t words = words_of<Word>(depth);
  const std::int64_t whole = lines / kWidth;
  for (std::int64_t first = 0; first < whole; first += kGroup) {
    const std::int64_t panels = least(kGroup, whole - first);
    for (std::int64_t w = 0; w < words; ++w) {
      const std::int64_t k = w * Word::kNumbers;
      const Number* from = source + k * ld + first * kWidth;
      float* to = out + (first * words + w) * kWidth;
      for (std::int64_t p = 0; p < panels; ++p) {
        pack_across<Word, kWidth>(from + p * kWidth, ld, depth - k, to + p * kWidth * words);
      }
    }
  }
  const std::int64_t rest = lines - whole * kWidth;
  if (rest == 0) return;
  source += whole * kWidth;
  out += whole * kWidth * words;
  for (std::int64_t k = 0; k < depth; k += Word::kNumbers, out += kWidth) {
    for (std::int64_t j = 0; j < kWidth; j += kLanes) {
      const std::int64_t there = least(kLanes, rest - j);
      const F numbers = there > 0 ? Word::across(source + k * ld + j, ld, depth - k, there) : F{};
      store_some(out + j, numbers, least(kLanes, kWidth - j));
    }
  }
}

// One panel from a source whose rows run along the depth.
template <class Word, int kWidth, class Number>
void transpose_panel(const Number* source, std::int64_t ld, std::int64_t depth, std::int64_t lines, float* out) {
  const std::int64_t words = words_of<Word>(depth);
  for (std::int64_t j = 0; j < kWidth; j += kLanes) {
    const std::int64_t there = least(kLanes, lines - j);
    const std::int64_t lanes = least(kLanes, kWidth - j);  // that the panel has
    for (std::int64_t w = 0; w < words; w += kLanes) {
      const std::int64_t k = w * Word::kNumbers;
      F block[kLanes];
      for (int i = 0; i < kLanes; ++i) block[i] = i < there ? Word::along(source + (j + i) * ld + k, depth - k) : F{};
      transpose(block);
      float* to = out + w * kWidth + j;
      const std::int64_t height = least(kLanes, words - w);
      if (lanes == kLanes && height == kLanes) {
        for (int i = 0; i < kLanes; ++i) store(to + i * kWidth, block[i]);
      } else {
        for (std::int64_t i = 0; i < height; ++i) store_some(to + i * kWidth, block[i], lanes);
      }
    }
  }
}

template <class Word, int kWidth, class Number>
void pack(const Number* source, std::int64_t ld, bool rows_are_depth, std::int64_t depth, std::int64_t lines,
          float* out) {
  if (rows_are_depth) return copy_panels<Word, kWidth>(source, ld, depth, lines, out);
  for (std::int64_t j = 0; j < lines; j += kWidth, out += kWidth * words_of<Word>(depth)) {
    transpose_panel<Word, kWidth>(source + j * ld, ld, depth, least(kWidth, lines - j), out);
  }
}

// Rows of A: from a[row * lda + k], or a[k * lda + row] if transposed.
template <class Word, class Number>
void pack_rows(const Number* a, std::int64_t lda, bool transposed, std::int64_t rows, std::int64_t depth, float* out) {
  pack<Word, kTileRows>(a, lda, transposed, depth, rows, out);
}
// Columns of B: from b[k * ldb + column], or b[column * ldb + k] if transposed.
template <class Word, class Number>
void pack_columns(const Number* b, std::int64_t ldb, bool transposed, std::int64_t depth, std::int64_t columns,
                  float* out) {
  pack<Word, kTileColumns>(b, ldb, !transposed, depth, columns, out);
}

}  // namespace caddie::cpu::CADDIE_ISA
