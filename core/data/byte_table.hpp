// How many bytes of text a target stands for: the one byte counter behind bits per byte. For each id: `base` bytes,
// whether the piece carries a leading space, and whether the id is a boundary (control, unknown, unused). A target t
// after p stands for base[t] + (leading[t] and not boundary[p]) bytes, so that the sum over a document is the UTF-8
// length of its decoded text. Immutable after building; any thread.
// Source: openai/parameter-golf, train_gpt.py (build_sentencepiece_luts) and issues #897, #1719.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/data/tokenizer.hpp"

namespace caddie::data {

class ByteTable {
 public:
  // The table of these pieces, at least `model_vocab_size` long (ids without a piece stand for nothing and are
  // boundaries). Refuses a vocabulary without a piece for the bare space, which would count a space as three bytes, and
  // one with a space mark inside a piece, which the counting rule measures wrongly. `name` is for errors.
  static Result<ByteTable> build(std::span<const Piece> pieces, const std::string& name,
                                 std::int64_t model_vocab_size = 0);

  [[nodiscard]] std::size_t size() const { return base_.size(); }
  // Ids must be below size().
  [[nodiscard]] int base(TokenId id) const { return base_[id]; }
  [[nodiscard]] bool leading_space(TokenId id) const { return leading_[id] != 0; }
  [[nodiscard]] bool boundary(TokenId id) const { return boundary_[id] != 0; }
  [[nodiscard]] int target_bytes(TokenId target, TokenId previous) const {
    return base_[target] + (leading_[target] & (boundary_[previous] ^ 1));
  }

 private:
  std::vector<std::int32_t> base_;
  std::vector<std::uint8_t> leading_;   // 0 or 1
  std::vector<std::uint8_t> boundary_;  // 0 or 1
};

// Bytes of the targets tokens[1..], each after the token before it. Ids must be below table.size().
std::int64_t sum_target_bytes(std::span<const TokenId> tokens, const ByteTable& table);

// Summed negative log-likelihood in nats over summed bytes, in bits per byte. A ratio of sums: ratios are never averaged.
double bits_per_byte(double sum_nll, std::int64_t sum_bytes);

}  // namespace caddie::data
