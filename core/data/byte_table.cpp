#include "core/data/byte_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numbers>

namespace caddie::data {

Result<ByteTable> ByteTable::build(std::span<const Piece> pieces, const std::string& name,
                                   std::int64_t model_vocab_size) {
  const std::size_t size = std::max(pieces.size(), static_cast<std::size_t>(std::max<std::int64_t>(0, model_vocab_size)));
  ByteTable table;
  table.base_.assign(size, 0);
  table.leading_.assign(size, 0);
  table.boundary_.assign(size, 1);
  bool has_space = false;
  for (std::size_t id = 0; id < pieces.size(); ++id) {
    const Piece& piece = pieces[id];
    if (piece.kind != PieceKind::normal && piece.kind != PieceKind::byte) continue;
    table.boundary_[id] = 0;
    if (piece.kind == PieceKind::byte) {
      table.base_[id] = 1;
      continue;
    }
    std::string_view text = piece.text;
    if (text.starts_with(kSpaceMark)) {
      table.leading_[id] = 1;
      text.remove_prefix(kSpaceMark.size());
      has_space = has_space || text.empty();
    }
    if (text.find(kSpaceMark) != std::string_view::npos) {
      return Error{Code::unsupported, name,
                   fmt::format("has the piece {} \"{}\" with a space inside; its bytes cannot be counted piece by "
                               "piece, train a tokenizer that splits at spaces",
                               id, piece.text)};
    }
    table.base_[id] = static_cast<std::int32_t>(text.size());
  }
  if (!has_space) {
    return Error{Code::unsupported, name,
                 "has no piece for the bare space (U+2581), so that a space would be encoded as three byte pieces and "
                 "bits per byte come out too low; train the tokenizer with that character in its alphabet"};
  }
  return table;
}

std::int64_t sum_target_bytes(std::span<const TokenId> tokens, const ByteTable& table) {
  std::int64_t sum = 0;
  for (std::size_t i = 1; i < tokens.size(); ++i) sum += table.target_bytes(tokens[i], tokens[i - 1]);
  return sum;
}

double bits_per_byte(double sum_nll, std::int64_t sum_bytes) {
  return sum_nll / (std::numbers::ln2 * static_cast<double>(sum_bytes));
}

}  // namespace caddie::data
