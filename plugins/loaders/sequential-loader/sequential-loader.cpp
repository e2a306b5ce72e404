// Sequential loader: one endless stream over the shards in order (openai/parameter-golf, train_gpt.py).
//
//   a batch of Q rows of T tokens, in s slices, takes s (Q/s T + 1) consecutive tokens; in each slice the inputs are
//   all but the last token, the targets all but the first, cut into rows of T
//
// Rank r of R takes rows [r Q/R, (r+1) Q/R), so the batch does not depend on R.
#include <caddie/plugin.hpp>

#include <algorithm>

namespace {

using namespace caddie;

struct SequentialLoader : Loader {
  static constexpr Identity identity{.id = "sequential-loader",
                                     .summary = "rows one after another from the shards in order, around and around",
                                     .citation = "openai/parameter-golf, train_gpt.py",
                                     .reads = CADDIE_READS_TRAIN_TOKENS};

  Integer slices{this, "slices", 1,
                 "parts of a batch, each with one token that is only a target; one a GPU as published",
                 range(1, 1 << 20)};

  void open(const Tokens& tokens) override {
    tokens_ = tokens;
    starts_ = {0};
    for (uint64_t shard = 0; shard < tokens.shard_count(); ++shard) {
      starts_.push_back(starts_.back() + tokens.shard_size(shard));
    }
    if (total() < 2) throw Failure("the shards hold fewer than two tokens: there is nothing to predict");
  }

  void next(const Batch& batch) override {
    const int64_t rows = batch.rows * batch.ranks;
    if (rows % slices != 0) {
      throw Failure("a batch of " + std::to_string(rows) + " rows cannot be cut into \"slices\": " +
                    std::to_string(slices.value()) + " equal parts; take a divisor of the rows");
    }
    const auto rows_of_slice = static_cast<uint64_t>(rows / slices);
    const auto context = static_cast<uint64_t>(batch.context);
    const uint64_t slice_tokens = rows_of_slice * context + 1;
    row_.resize(context + 1);
    for (int64_t i = 0; i < batch.rows; ++i) {
      const auto row = static_cast<uint64_t>(batch.rank * batch.rows + i);
      fill_row(position_ + row / rows_of_slice * slice_tokens + row % rows_of_slice * context);
      std::copy_n(row_.begin(), context, batch.tokens + i * batch.context);
      std::copy_n(row_.begin() + 1, context, batch.targets + i * batch.context);
    }
    position_ = (position_ + static_cast<uint64_t>(slices.value()) * slice_tokens) % total();
  }

  void save(StateWriter& writer) const override {
    writer.number(total());
    writer.number(position_);
  }

  void load(StateReader& reader) override {
    const auto saved_total = reader.number<uint64_t>();
    const auto position = reader.number<uint64_t>();
    if (saved_total != total() || position >= total()) {
      throw Failure("the saved position is token " + std::to_string(position) + " of " + std::to_string(saved_total) +
                    ", the shards hold " + std::to_string(total()) + ": they are not those of the saved run");
    }
    position_ = position;
  }

 private:
  [[nodiscard]] uint64_t total() const { return starts_.empty() ? 0 : starts_.back(); }

  // From `position` on, across shards and past the last into the first.
  void fill_row(uint64_t position) {
    uint64_t filled = 0;
    while (filled < row_.size()) {
      position %= total();
      const auto after = std::upper_bound(starts_.begin(), starts_.end(), position);
      const auto shard = static_cast<uint64_t>(after - starts_.begin()) - 1;
      const uint64_t count = std::min(*after - position, row_.size() - filled);
      tokens_.read(shard, position - starts_[shard], count, row_.data() + filled);
      position += count;
      filled += count;
    }
  }

  Tokens tokens_;
  std::vector<uint64_t> starts_;  // of each shard in the stream; last the number of tokens
  uint64_t position_ = 0;         // of the next batch
  std::vector<int32_t> row_;
};

}  // namespace

CADDIE_EXPORT_PLUGIN(SequentialLoader)
