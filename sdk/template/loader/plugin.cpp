// @ID@: every row is a window that begins at a random token (the batches of nanoGPT).
//
//   row r of the run begins at token  bits("row", r) mod (shard size - T)  of the shard that holds the drawn token
//
// A row's number alone decides where it begins, so ranks share the rows out and a resumed run goes on exactly.
#include <caddie/plugin.hpp>

namespace {

using namespace caddie;

struct @CLASS@ : Loader {
  static constexpr Identity identity{.id = "@ID@",
                                     .summary = "windows that begin at random tokens",
                                     .citation = "karpathy/nanoGPT, train.py",
                                     .reads = CADDIE_READS_TRAIN_TOKENS | CADDIE_READS_RANDOM};

  void open(const Tokens& tokens) override {
    tokens_ = tokens;
    total_ = 0;
    for (uint64_t shard = 0; shard < tokens.shard_count(); ++shard) total_ += tokens.shard_size(shard);
  }

  void next(const Batch& batch) override {
    const auto rows = static_cast<uint64_t>(batch.rows);
    const auto context = static_cast<uint64_t>(batch.context);
    window_.resize(context + 1);
    for (uint64_t i = 0; i < rows; ++i) {
      const auto row = next_row_ + static_cast<uint64_t>(batch.rank) * rows + i;
      draw(row, context);
      for (uint64_t t = 0; t < context; ++t) {
        batch.tokens[i * context + t] = window_[t];
        batch.targets[i * context + t] = window_[t + 1];
      }
    }
    next_row_ += rows * static_cast<uint64_t>(batch.ranks);
  }

  void save(StateWriter& writer) const override { writer.number(next_row_); }
  void load(StateReader& reader) override { next_row_ = reader.number<uint64_t>(); }

 private:
  // Shards too short for a window are left out by drawing again.
  void draw(uint64_t row, uint64_t context) {
    for (uint64_t attempt = 0; attempt < 1000 && total_ > 0; ++attempt) {
      uint64_t place = random_bits("row", row * 1000 + attempt) % total_;
      uint64_t shard = 0;
      while (place >= tokens_.shard_size(shard)) place -= tokens_.shard_size(shard++);
      const uint64_t size = tokens_.shard_size(shard);
      if (size < context + 1) continue;
      tokens_.read(shard, place % (size - context), context + 1, window_.data());
      return;
    }
    throw Failure("no shard holds a window of " + std::to_string(context + 1) + " tokens; take a shorter context");
  }

  Tokens tokens_;
  uint64_t total_ = 0;     // tokens of all shards
  uint64_t next_row_ = 0;  // of the run, over all ranks
  std::vector<int32_t> window_;
};

}  // namespace

CADDIE_EXPORT_PLUGIN(@CLASS@)
