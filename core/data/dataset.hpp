// What training and evaluation open: the train and validation streams, the tokenizer, and the byte table of one data set.
// Owns its files' mappings. Everything is checked when it is opened, every id included; afterwards all calls are const
// and safe from any thread.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/data/byte_table.hpp"
#include "core/data/card.hpp"
#include "core/data/token_stream.hpp"
#include "core/data/tokenizer.hpp"

namespace caddie::data {

// Shards made elsewhere: paths or patterns (see find_shards), and the model they were made with.
struct ShardSources {
  std::vector<std::string> train;
  std::vector<std::string> validation;
  std::filesystem::path tokenizer;
};

class Dataset {
 public:
  // A folder that prepare wrote: every file must have the digest its card gives.
  static Result<Dataset> open_folder(const std::filesystem::path& folder);
  static Result<Dataset> open_shards(const ShardSources& sources);

  [[nodiscard]] const TokenStream& train() const { return train_; }
  [[nodiscard]] const TokenStream& validation() const { return validation_; }
  [[nodiscard]] const Tokenizer& tokenizer() const { return tokenizer_; }
  [[nodiscard]] const ByteTable& byte_table() const { return byte_table_; }
  [[nodiscard]] int vocab_size() const { return tokenizer_.vocab_size(); }
  // Nothing for shards made elsewhere.
  [[nodiscard]] const std::optional<Card>& card() const { return card_; }
  // Content address, SHA-256 in hexadecimal: of the tokenizer and of every shard, in order. Names and places of the
  // files do not matter.
  [[nodiscard]] const std::string& digest() const { return digest_; }

 private:
  Dataset(TokenStream train, TokenStream validation, Tokenizer tokenizer, ByteTable table, std::string digest)
      : train_(std::move(train)),
        validation_(std::move(validation)),
        tokenizer_(std::move(tokenizer)),
        byte_table_(std::move(table)),
        digest_(std::move(digest)) {}

  struct Side;  // one stream and its digests
  static Result<Side> open_side(std::span<const std::filesystem::path> paths, const Tokenizer& tokenizer,
                                const char* what);
  static Result<Dataset> assemble(Side train, Side validation, Tokenizer tokenizer, const std::string& tokenizer_name);

  TokenStream train_;
  TokenStream validation_;
  Tokenizer tokenizer_;
  ByteTable byte_table_;
  std::optional<Card> card_;
  std::string digest_;
};

}  // namespace caddie::data
