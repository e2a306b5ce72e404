// Token shards, the field's file of tokens: 256 little-endian int32 header words (20240520, version 1, count, then
// zeros) and `count` little-endian uint16 ids. A Shard owns a read-only mapping of its file, so the file must not
// shrink while it is open. Reading is safe from any thread.
// Source: openai/parameter-golf, data/download_hf_docs_and_tokenize.py and train_gpt.py.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "core/base/file.hpp"
#include "core/base/result.hpp"

namespace caddie::data {

using TokenId = std::uint16_t;

inline constexpr std::int32_t kShardMagic = 20240520;
inline constexpr std::int32_t kShardVersion = 1;
inline constexpr std::size_t kShardHeaderBytes = 256 * sizeof(std::int32_t);
inline constexpr std::int64_t kMaxShardTokens = (std::int64_t{1} << 31) - 1;

// The ids inside the bytes of a shard, borrowed from `bytes` (aligned to 2). Checks length, magic, version, count and
// that the size is exactly 1024 + 2 * count; errors say what was found and what was expected. `name` is for errors.
Result<std::span<const TokenId>> parse_shard(std::span<const std::uint8_t> bytes, const std::string& name);

// Errors unless every id is below `vocab_size`: names the file, the position and the id. `name` is for errors.
Result<void> check_ids(std::span<const TokenId> tokens, std::int64_t vocab_size, const std::string& name);

class Shard {
 public:
  static Result<Shard> open(const std::filesystem::path& path);

  [[nodiscard]] std::span<const TokenId> tokens() const { return tokens_; }
  // The whole file, header included, for digests.
  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return file_.bytes(); }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  Shard(std::filesystem::path path, MappedFile file, std::span<const TokenId> tokens)
      : path_(std::move(path)), file_(std::move(file)), tokens_(tokens) {}
  std::filesystem::path path_;
  MappedFile file_;
  std::span<const TokenId> tokens_;
};

// The bytes of a shard with these ids. At most kMaxShardTokens.
Result<std::string> format_shard(std::span<const TokenId> tokens);

// Writes a shard atomically.
Result<void> write_shard(const std::filesystem::path& path, std::span<const TokenId> tokens);

}  // namespace caddie::data
