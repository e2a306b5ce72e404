// Several shards seen as one stream of tokens, in the order given. The stream owns its shards; reading is const and
// safe from any thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/base/result.hpp"
#include "core/data/shard.hpp"

namespace caddie::data {

class TokenStream {
 public:
  TokenStream() = default;
  explicit TokenStream(std::vector<Shard> shards) : shards_(std::move(shards)) {
    starts_.reserve(shards_.size() + 1);
    std::int64_t start = 0;
    for (const Shard& shard : shards_) {
      starts_.push_back(start);
      start += static_cast<std::int64_t>(shard.tokens().size());
    }
    starts_.push_back(start);
  }

  // Number of tokens of all shards.
  [[nodiscard]] std::int64_t size() const { return starts_.empty() ? 0 : starts_.back(); }
  [[nodiscard]] std::span<const Shard> shards() const { return shards_; }
  // Position in the stream of a shard's first token.
  [[nodiscard]] std::int64_t shard_start(std::size_t shard) const { return starts_[shard]; }

  // Copies tokens [offset, offset + out.size()) to `out`, across shards. An error when that leaves the stream.
  Result<void> read(std::int64_t offset, std::span<TokenId> out) const {
    if (offset < 0 || offset > size() || static_cast<std::int64_t>(out.size()) > size() - offset) {
      return Error{Code::argument, "",
                   "a read of " + std::to_string(out.size()) + " tokens at " + std::to_string(offset) +
                       " leaves the stream of " + std::to_string(size())};
    }
    // The last shard that starts at or before `offset`; the ones after it are read from their first token.
    auto shard = static_cast<std::size_t>(std::upper_bound(starts_.begin(), starts_.end(), offset) - starts_.begin());
    shard = shard == 0 ? 0 : shard - 1;
    while (!out.empty()) {
      const auto from = shards_[shard].tokens().subspan(static_cast<std::size_t>(offset - starts_[shard]));
      const std::size_t count = std::min(from.size(), out.size());
      std::copy_n(from.begin(), count, out.begin());
      out = out.subspan(count);
      offset += static_cast<std::int64_t>(count);
      ++shard;
    }
    return {};
  }

  // The tokens [offset, offset + count); see read.
  [[nodiscard]] Result<std::vector<TokenId>> copy(std::int64_t offset, std::int64_t count) const {
    if (count < 0 || count > size()) {  // before the allocation: a bad count must not ask for much memory
      return Error{Code::argument, "", "cannot copy " + std::to_string(count) + " tokens from a stream of " +
                                           std::to_string(size())};
    }
    std::vector<TokenId> tokens(static_cast<std::size_t>(count));
    if (auto done = read(offset, tokens); !done) return done.error();
    return tokens;
  }

 private:
  std::vector<Shard> shards_;
  std::vector<std::int64_t> starts_;
};

}  // namespace caddie::data
