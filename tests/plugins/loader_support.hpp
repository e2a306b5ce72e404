// For tests of loaders: shards in memory, batches, saved positions, and random numbers that a test chooses.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {

// Shards behind the ABI's table. Stays at one address.
class MemoryShards {
 public:
  explicit MemoryShards(std::vector<std::vector<std::int32_t>> shards) : shards_(std::move(shards)) {
    for (std::size_t i = 0; i < shards_.size(); ++i) names_.push_back("shard_" + std::to_string(i) + ".bin");
    table_ = {sizeof table_, 1, count, size, name, read};
  }
  MemoryShards(const MemoryShards&) = delete;
  MemoryShards& operator=(const MemoryShards&) = delete;

  [[nodiscard]] const caddie_host_tokens* table() const { return &table_; }
  [[nodiscard]] const caddie_tokens* abi() const { return reinterpret_cast<const caddie_tokens*>(this); }

 private:
  static const MemoryShards& self(const caddie_tokens* tokens) {
    return *reinterpret_cast<const MemoryShards*>(tokens);
  }
  static uint64_t count(const caddie_tokens* tokens) { return self(tokens).shards_.size(); }
  static uint64_t size(const caddie_tokens* tokens, uint64_t shard) { return self(tokens).shards_.at(shard).size(); }
  static const char* name(const caddie_tokens* tokens, uint64_t shard) { return self(tokens).names_.at(shard).c_str(); }
  static caddie_code read(const caddie_tokens* tokens, uint64_t shard, uint64_t first, uint64_t count, int32_t* out) {
    const std::vector<std::int32_t>& from = self(tokens).shards_.at(shard);
    if (first > from.size() || count > from.size() - first) return CADDIE_ERROR_ARGUMENT;
    std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(first), count, out);
    return CADDIE_OK;
  }

  std::vector<std::vector<std::int32_t>> shards_;
  std::vector<std::string> names_;
  caddie_host_tokens table_{};
};

// Shards whose tokens say where they are: shard * kShardStep + position.
constexpr std::int32_t kShardStep = 1 << 20;
std::vector<std::vector<std::int32_t>> telling_shards(const std::vector<std::size_t>& sizes);

struct Rows {
  std::vector<std::vector<std::int32_t>> tokens, targets;  // by row
  std::vector<std::vector<std::int32_t>> segments = {};    // none where the loader gives none
  bool operator==(const Rows&) const = default;
};

// The host of the harness, but with the test's own random bits.
using Bits = std::function<std::uint64_t(std::string_view name, std::uint64_t index)>;

// Bits from which a uniform number below n comes out as `value`.
std::uint64_t bits_for(std::uint64_t value, std::uint64_t n);

// A loader opened on shards. Mistakes are thrown as std::runtime_error.
class OpenLoader {
 public:
  OpenLoader(std::string_view id, const MemoryShards& shards, const nlohmann::json& config = nlohmann::json::object());
  // With random bits of the test's.
  OpenLoader(std::string_view id, const MemoryShards& shards, const nlohmann::json& config, Bits bits);
  ~OpenLoader();
  OpenLoader(const OpenLoader&) = delete;
  OpenLoader& operator=(const OpenLoader&) = delete;

  Rows next(std::int64_t rows, std::int64_t context, std::int64_t rank = 0, std::int64_t ranks = 1);
  [[nodiscard]] std::vector<std::uint8_t> save() const;
  void load(const std::vector<std::uint8_t>& bytes);

 private:
  void open(const MemoryShards& shards);
  struct Injected;
  std::unique_ptr<Injected> injected_;
  std::optional<Object> object_;
  caddie_object* abi_ = nullptr;
  const caddie_loader* table_ = nullptr;
};

// Every target is the token after its input, every input after the first the target before it; all of one shard.
void expect_windows(const Rows& rows);

// What a loader does after being saved and loaded by a fresh one equals what it would have done.
void expect_resumes(std::string_view id, const MemoryShards& shards, const nlohmann::json& config, std::int64_t rows,
                    std::int64_t context);

// The ranks' batches together are the batch of one rank, up to the order of rows.
void expect_same_for_ranks(std::string_view id, const MemoryShards& shards, const nlohmann::json& config);

// Changed saved positions are refused or lead to windows all the same; never to reads outside the shards.
void expect_survives_damage(std::string_view id, const MemoryShards& shards, std::int64_t rows, std::int64_t context);

}  // namespace caddie::plugins::test
