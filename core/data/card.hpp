// The data card of a prepared folder, `card.json`: what the data is, where it is from, and the digest of every file.
// Written last, so a folder with a card is complete. Plain values; any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

namespace caddie::data {

inline constexpr const char* kCardFile = "card.json";
inline constexpr const char* kTokenizerFile = "tokenizer.model";
inline constexpr int kCardVersion = 1;

struct ShardRecord {
  std::string file;  // a name within the folder
  std::int64_t tokens = 0;
  std::int64_t bytes = 0;  // of the file
  std::string xxh3;
  std::string sha256;
};

struct SplitRecord {
  std::int64_t documents = 0;
  std::int64_t tokens = 0;      // the BOS of each document included
  std::int64_t text_bytes = 0;  // UTF-8 length of the decoded documents: the denominator of bits per byte
  std::int64_t raw_bytes = 0;   // UTF-8 length of the documents before normalisation
  std::vector<ShardRecord> shards;
};

struct SourceRecord {
  std::string name;
  std::int64_t bytes = 0;
  std::string sha256;
};

struct Card {
  std::string description;
  std::vector<SourceRecord> source;
  nlohmann::json settings = nlohmann::json::object();  // what prepare was asked for
  std::string settings_digest;                         // of the settings and the source's digests
  std::string tokenizer_sha256;
  std::int64_t vocab_size = 0;
  bool tokenizer_trained = false;  // on the training documents; else given
  std::int64_t documents_read = 0;
  std::int64_t documents_empty = 0;
  std::int64_t documents_duplicate = 0;
  std::int64_t documents_unused = 0;
  std::int64_t replaced_bytes = 0;
  SplitRecord train;
  SplitRecord validation;
};

// JSON text, indented, ending with a newline. The same card gives the same bytes.
std::string format_card(const Card& card);

// Errors name the JSON pointer and say what was expected. File names must be plain names, numbers must not be negative,
// digests must be hexadecimal, and a split's tokens must be the sum over its shards. `name` is for errors.
Result<Card> parse_card(std::string_view text, const std::string& name);

Result<Card> read_card(const std::filesystem::path& folder);

// Where the shards of a split lie.
std::vector<std::filesystem::path> shard_paths(const std::filesystem::path& folder, const SplitRecord& split);

}  // namespace caddie::data
