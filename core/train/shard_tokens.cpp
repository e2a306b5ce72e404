#include "core/train/shard_tokens.hpp"

#include <algorithm>

namespace caddie::train {
namespace {

const data::TokenStream& stream_of(const caddie_tokens* tokens) {
  return reinterpret_cast<const ShardTokens*>(tokens)->stream();
}

uint64_t shard_count(const caddie_tokens* tokens) { return stream_of(tokens).shards().size(); }

uint64_t shard_size(const caddie_tokens* tokens, uint64_t shard) {
  const auto shards = stream_of(tokens).shards();
  return shard < shards.size() ? shards[shard].tokens().size() : 0;
}

const char* shard_name(const caddie_tokens* tokens, uint64_t shard) {
  const auto shards = stream_of(tokens).shards();
  return shard < shards.size() ? shards[shard].path().c_str() : "";
}

caddie_code read(const caddie_tokens* tokens, uint64_t shard, uint64_t first, uint64_t count, int32_t* out) {
  const uint64_t size = shard_size(tokens, shard);
  if (first > size || count > size - first) return CADDIE_ERROR_ARGUMENT;
  const auto from = stream_of(tokens).shards()[shard].tokens().subspan(first, count);
  std::ranges::copy(from, out);
  return CADDIE_OK;
}

}  // namespace

ShardTokens::ShardTokens(const data::TokenStream& stream, std::int32_t bos)
    : table_{sizeof(caddie_host_tokens), bos, shard_count, shard_size, shard_name, read}, stream_(&stream) {}

}  // namespace caddie::train
