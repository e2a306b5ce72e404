// The training shards as loaders see them: the ABI's table over a token stream.
#pragma once

#include "caddie/abi.h"
#include "core/data/token_stream.hpp"

namespace caddie::train {

// Lives as long as the loader that was opened with it, at one address; the stream too.
class ShardTokens {
 public:
  ShardTokens(const data::TokenStream& stream, std::int32_t bos);
  ShardTokens(const ShardTokens&) = delete;
  ShardTokens& operator=(const ShardTokens&) = delete;

  [[nodiscard]] const caddie_host_tokens* table() const { return &table_; }
  [[nodiscard]] const caddie_tokens* abi() const { return reinterpret_cast<const caddie_tokens*>(this); }
  [[nodiscard]] const data::TokenStream& stream() const { return *stream_; }

 private:
  caddie_host_tokens table_{};
  const data::TokenStream* stream_;
};

}  // namespace caddie::train
