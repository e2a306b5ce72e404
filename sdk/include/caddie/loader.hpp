// Loader: token batches from training shards. Its position is saved and restored exactly.
#pragma once

#include <caddie/object.hpp>

#include <vector>

namespace caddie {

// The training shards, in order.
class Tokens {
 public:
  Tokens() = default;
  Tokens(const caddie_host_tokens* table, const caddie_tokens* tokens) : table_(table), tokens_(tokens) {}
  [[nodiscard]] uint64_t shard_count() const { return table_->shard_count(tokens_); }
  [[nodiscard]] uint64_t shard_size(uint64_t shard) const { return table_->shard_size(tokens_, shard); }
  [[nodiscard]] const char* shard_name(uint64_t shard) const { return table_->shard_name(tokens_, shard); }
  [[nodiscard]] int32_t bos() const { return table_->bos; }
  void read(uint64_t shard, uint64_t first, uint64_t count, int32_t* out) const {
    if (table_->read(tokens_, shard, first, count, out) != CADDIE_OK) throw Failure("tokens outside the shard were asked for");
  }

 private:
  const caddie_host_tokens* table_ = nullptr;
  const caddie_tokens* tokens_ = nullptr;
};

using Batch = caddie_batch;

class Loader : public Plugin {
 public:
  static constexpr const char* interface_id = CADDIE_LOADER;

  virtual void open(const Tokens& tokens) = 0;
  // Fills batch.tokens and batch.targets, [rows, context] each.
  virtual void next(const Batch& batch) = 0;
  [[nodiscard]] virtual bool has_segments() const { return false; }
  virtual void save(StateWriter& writer) const = 0;
  virtual void load(StateReader& reader) = 0;

  static const void* table() {
    static const caddie_loader loader = {
        sizeof(caddie_loader), 0,
        [](caddie_object* object, const caddie_host_tokens* table, const caddie_tokens* tokens, caddie_error* error) {
          return detail::guarded(error, [&] { detail::self<Loader>(object).open(Tokens(table, tokens)); });
        },
        [](caddie_object* object, const caddie_batch* batch, caddie_error* error) {
          return detail::guarded(error, [&] { detail::self<Loader>(object).next(*batch); });
        },
        [](const caddie_object* object) -> int32_t { return detail::self<Loader>(object).has_segments() ? 1 : 0; }};
    return &loader;
  }
};

}  // namespace caddie
