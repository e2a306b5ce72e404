// The documents of a token stream: a BOS and the tokens up to the next one; and digests that tell equal ones. Any thread.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/base/hash.hpp"
#include "core/data/token_stream.hpp"

namespace caddie::data {

// Hashes SHA-256 digests for sets and maps.
struct DigestHash {
  std::size_t operator()(const Sha256Digest& digest) const {
    std::size_t bits = 0;
    std::memcpy(&bits, digest.data(), sizeof bits);
    return bits;
  }
};
using DigestSet = std::unordered_set<Sha256Digest, DigestHash>;
// From digests to positions.
using DigestMap = std::unordered_map<Sha256Digest, std::int64_t, DigestHash>;

inline Sha256Digest digest_tokens(std::span<const TokenId> tokens) {
  return sha256(std::span(reinterpret_cast<const std::uint8_t*>(tokens.data()), tokens.size_bytes()));
}

// Calls visit(document, position) for each document in order; `document` includes its BOS and is borrowed for the call,
// `position` is that of its first token in the stream. Documents may straddle shards. Tokens before the first BOS are a
// document without one.
template <class Visit>
void for_each_document(const TokenStream& stream, TokenId bos, Visit&& visit) {
  std::vector<TokenId> document;
  std::int64_t begin = 0;
  std::int64_t position = 0;
  for (const Shard& shard : stream.shards()) {
    for (const TokenId token : shard.tokens()) {
      if (token == bos && !document.empty()) {
        visit(std::span<const TokenId>(document), begin);
        document.clear();
      }
      if (document.empty()) begin = position;
      document.push_back(token);
      ++position;
    }
  }
  if (!document.empty()) visit(std::span<const TokenId>(document), begin);
}

}  // namespace caddie::data
