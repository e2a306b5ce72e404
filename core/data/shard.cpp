#include "core/data/shard.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "core/base/text.hpp"

namespace caddie::data {
namespace {

static_assert(std::endian::native == std::endian::little, "shards are mapped as they lie: little-endian hosts only");

using Header = std::array<std::int32_t, 256>;
static_assert(sizeof(Header) == kShardHeaderBytes);

Error bad_shard(const std::string& name, std::string text) { return {Code::format, name, std::move(text)}; }

}  // namespace

Result<std::span<const TokenId>> parse_shard(std::span<const std::uint8_t> bytes, const std::string& name) {
  if (bytes.size() < kShardHeaderBytes) {
    return bad_shard(name, fmt::format("is {} bytes long, shorter than the {} bytes of a shard's header; is it a "
                                       "token shard, and was it copied whole?",
                                       with_separators(static_cast<std::int64_t>(bytes.size())), kShardHeaderBytes));
  }
  Header header;
  std::memcpy(header.data(), bytes.data(), sizeof header);
  if (header[0] != kShardMagic) {
    return bad_shard(name, fmt::format("is not a token shard: it begins with the number {}, expected {}", header[0],
                                       kShardMagic));
  }
  if (header[1] != kShardVersion) {
    return bad_shard(name, fmt::format("is a token shard of version {}; this program reads version {}", header[1],
                                       kShardVersion));
  }
  if (header[2] < 0) {
    return bad_shard(name, fmt::format("gives {} as its number of tokens; the header is damaged", header[2]));
  }
  const std::size_t count = static_cast<std::size_t>(header[2]);
  const std::size_t expected = kShardHeaderBytes + count * sizeof(TokenId);
  if (bytes.size() != expected) {
    return bad_shard(
        name, fmt::format("is {} bytes long, but its header promises {} tokens, which is {} bytes; the file is {}",
                          with_separators(static_cast<std::int64_t>(bytes.size())), with_separators(header[2]),
                          with_separators(static_cast<std::int64_t>(expected)),
                          bytes.size() < expected ? "truncated: fetch it again" : "followed by other bytes"));
  }
  // The mapping or buffer is at least 2-aligned and the header's length is even.
  return std::span(reinterpret_cast<const TokenId*>(bytes.data() + kShardHeaderBytes), count);
}

namespace {

// For a span of fixed length compilers use vector instructions.
template <std::size_t extent>
TokenId largest_of(std::span<const TokenId, extent> ids) {
  TokenId largest = 0;
  for (const TokenId id : ids) largest = std::max(largest, id);
  return largest;
}

}  // namespace

Result<void> check_ids(std::span<const TokenId> tokens, std::int64_t vocab_size, const std::string& name) {
  constexpr std::size_t block = 1 << 14;
  for (std::size_t begin = 0; begin < tokens.size(); begin += block) {
    const auto part = tokens.subspan(begin, std::min(block, tokens.size() - begin));
    if ((part.size() == block ? largest_of(part.first<block>()) : largest_of(part)) < vocab_size) continue;
    const auto bad = std::find_if(part.begin(), part.end(), [&](TokenId id) { return id >= vocab_size; });
    return bad_shard(name, fmt::format("has the id {} at position {}, outside the tokenizer's vocabulary of {}; the "
                                       "shard was made with another tokenizer",
                                       *bad, begin + static_cast<std::size_t>(bad - part.begin()), vocab_size));
  }
  return {};
}

Result<Shard> Shard::open(const std::filesystem::path& path) {
  auto file = MappedFile::open(path);
  if (!file) return file.error();
  auto tokens = parse_shard(file->bytes(), path.string());
  if (!tokens) return tokens.error();
  return Shard(path, std::move(file).value(), *tokens);
}

Result<std::string> format_shard(std::span<const TokenId> tokens) {
  if (static_cast<std::int64_t>(tokens.size()) > kMaxShardTokens) {
    return Error{Code::argument, "", fmt::format("a shard holds at most {} tokens, not {}", kMaxShardTokens,
                                                 tokens.size())};
  }
  Header header{};
  header[0] = kShardMagic;
  header[1] = kShardVersion;
  header[2] = static_cast<std::int32_t>(tokens.size());
  std::string bytes(kShardHeaderBytes + tokens.size_bytes(), '\0');
  std::memcpy(bytes.data(), header.data(), sizeof header);
  if (!tokens.empty()) std::memcpy(bytes.data() + kShardHeaderBytes, tokens.data(), tokens.size_bytes());
  return bytes;
}

Result<void> write_shard(const std::filesystem::path& path, std::span<const TokenId> tokens) {
  auto bytes = format_shard(tokens);
  if (!bytes) return bytes.error();
  return write_atomically(path, *bytes);
}

}  // namespace caddie::data
