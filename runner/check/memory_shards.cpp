#include "runner/check/memory_shards.hpp"

#include <algorithm>
#include <random>

namespace caddie::check {
namespace {

// Shard `index` of a table: nullptr beyond the last.
const std::vector<std::int32_t>* at(const std::vector<std::vector<std::int32_t>>& shards, std::uint64_t index) {
  return index < shards.size() ? &shards[static_cast<std::size_t>(index)] : nullptr;
}

}  // namespace

MemoryShards::MemoryShards(std::vector<std::vector<std::int32_t>> shards) : shards_(std::move(shards)) {
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    names_.push_back("shard_" + std::to_string(i) + ".bin");
    const std::vector<std::int32_t>& shard = shards_[i];
    tokens_.insert(shard.begin(), shard.end());
    for (std::size_t k = 0; k + 1 < shard.size(); ++k) pairs_.insert({shard[k], shard[k + 1]});
    for (const std::vector<std::int32_t>& next : shards_)
      if (!shard.empty() && !next.empty()) pairs_.insert({shard.back(), next.front()});
  }
  using Self = const MemoryShards*;
  table_.struct_size = sizeof table_;
  table_.bos = kBos;
  table_.shard_count = [](const caddie_tokens* self) -> uint64_t {
    return reinterpret_cast<Self>(self)->shards_.size();
  };
  table_.shard_size = [](const caddie_tokens* self, uint64_t shard) -> uint64_t {
    const auto* found = at(reinterpret_cast<Self>(self)->shards_, shard);
    return found == nullptr ? 0 : found->size();
  };
  table_.shard_name = [](const caddie_tokens* self, uint64_t shard) -> const char* {
    const auto& names = reinterpret_cast<Self>(self)->names_;
    return shard < names.size() ? names[static_cast<std::size_t>(shard)].c_str() : "";
  };
  table_.read = [](const caddie_tokens* self, uint64_t shard, uint64_t first, uint64_t count,
                   int32_t* out) -> caddie_code {
    const auto* from = at(reinterpret_cast<Self>(self)->shards_, shard);
    if (from == nullptr || first > from->size() || count > from->size() - first) return CADDIE_ERROR_ARGUMENT;
    std::copy_n(from->begin() + static_cast<std::ptrdiff_t>(first), count, out);
    return CADDIE_OK;
  };
}

MemoryShards MemoryShards::telling(const std::vector<std::size_t>& sizes) {
  std::mt19937 random(17);
  std::vector<std::vector<std::int32_t>> shards;
  std::int32_t next = 10;
  for (const std::size_t size : sizes) {
    std::vector<std::int32_t> tokens;
    std::size_t left = 0;  // of the document
    while (tokens.size() < size) {
      if (left == 0) left = 5 + random() % 296;
      const bool first = tokens.empty() || left == 1;
      left = left == 1 ? 0 : left - 1;
      tokens.push_back(first ? kBos : next++);
    }
    shards.push_back(std::move(tokens));
  }
  return MemoryShards(std::move(shards));
}

}  // namespace caddie::check
