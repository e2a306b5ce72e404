// A SentencePiece tokenizer. Owns its model; const calls are safe from any thread. SentencePiece does not check the
// normalisation tables inside a model, so load models of known origin only (a prepared folder checks its digest).
// Source: Kudo and Richardson 2018, arXiv:1808.06226; options as in openai/parameter-golf,
// data/download_hf_docs_and_tokenize.py.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/data/shard.hpp"

namespace caddie::data {

// U+2581, the mark of a space inside pieces.
inline constexpr std::string_view kSpaceMark = "\xE2\x96\x81";

enum class PieceKind { normal, control, unknown, unused, byte };

struct Piece {
  std::string text;
  PieceKind kind = PieceKind::normal;
};

struct TokenizerTraining {
  int vocab_size = 1024;               // ids in all: 4 reserved, 256 bytes, characters, merges
  double character_coverage = 0.999;   // share of the text's characters that get a piece of their own
};

// Trains byte-pair encoding with byte fallback, digits apart, no space put before the text, nmt_nfkc normalisation, and
// the field's reserved ids (pad 0, bos 1, eos 2, unk 3). One thread and no random choice: the same texts in the same
// order give the same bytes. Returns the model file's bytes.
Result<std::string> train_tokenizer(std::span<const std::string_view> texts, const TokenizerTraining& options);

class Tokenizer {
 public:
  static Result<Tokenizer> load(const std::filesystem::path& path);
  // `name` is for errors.
  static Result<Tokenizer> from_bytes(std::string model, const std::string& name);
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  [[nodiscard]] int vocab_size() const;
  [[nodiscard]] TokenId bos() const;
  // Every piece, indexed by id.
  [[nodiscard]] const std::vector<Piece>& pieces() const;

  // Appends the ids of the normalised text, without a BOS.
  Result<void> encode(std::string_view text, std::vector<TokenId>& ids) const;
  // The normalised text; control ids stand for nothing. An id outside the vocabulary is an error.
  [[nodiscard]] Result<std::string> decode(std::span<const TokenId> ids) const;

  // The model file's bytes and their SHA-256 in hexadecimal.
  [[nodiscard]] const std::string& model_bytes() const;
  [[nodiscard]] const std::string& digest() const;

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace caddie::data
