// Shards in memory behind the ABI's table, and which tokens stand next to each other in them. Constant once made; it
// stays at one address while a loader has it.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "caddie/abi.h"

namespace caddie::check {

class MemoryShards {
 public:
  static constexpr std::int32_t kBos = 1;

  explicit MemoryShards(std::vector<std::vector<std::int32_t>> shards);
  MemoryShards(const MemoryShards&) = delete;
  MemoryShards& operator=(const MemoryShards&) = delete;

  // Tokens that say where they are (each number once), in documents of 5 to 300 tokens that begin with kBos.
  static MemoryShards telling(const std::vector<std::size_t>& sizes);

  [[nodiscard]] const caddie_host_tokens* table() const { return &table_; }
  [[nodiscard]] const caddie_tokens* abi() const { return reinterpret_cast<const caddie_tokens*>(this); }

  [[nodiscard]] bool has_token(std::int32_t token) const { return tokens_.contains(token); }
  // In some shard, or over the end of one shard into the beginning of another.
  [[nodiscard]] bool follows(std::int32_t token, std::int32_t target) const { return pairs_.contains({token, target}); }

 private:
  std::vector<std::vector<std::int32_t>> shards_;
  std::vector<std::string> names_;
  std::set<std::int32_t> tokens_;
  std::set<std::pair<std::int32_t, std::int32_t>> pairs_;
  caddie_host_tokens table_{};
};

}  // namespace caddie::check
