// The documents of a token stream: a BOS and the tokens up to the next one. Any thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/data/token_stream.hpp"

namespace caddie::data {

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
