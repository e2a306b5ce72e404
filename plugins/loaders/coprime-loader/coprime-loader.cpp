// Coprime-stride loader: every batch mixes windows of many shards, and every block of a shard comes up once a walk
// (openai/parameter-golf PR #726, #1060, #1130).
//
//   shard of n tokens: phase f, K = (n-1-f) / T blocks, start a, stride g with gcd(g, K) = 1
//   its j-th window begins at f + T ((a + j g) mod K)
//   batch b of Q windows: k shards drawn with probability ~ remaining^p give one window each, the other Q-k by the same
//   shares; the shards' windows are then interleaved. Over the first `ramp` batches p falls and k rises.
//
// The list of a batch is the same on every rank; rank r of R takes entries r, r+R, ... Random numbers are the run's own
// (counter-based), so the order is not that of the published PCG64, which was seeded with the shards' paths.
#include <caddie/plugin.hpp>

#include "order.hpp"

namespace {

using namespace caddie;

struct CoprimeLoader : Loader, private coprime::Draws {
  static constexpr Identity identity{.id = "coprime-loader",
                                     .summary = "batches of windows of many shards, each walked with a coprime stride",
                                     .citation = "openai/parameter-golf PR #1130, PR #726",
                                     .reads = CADDIE_READS_TRAIN_TOKENS | CADDIE_READS_RANDOM};

  Number exponent_first{this, "exponent_first", 0.9, "how much large shards are preferred at the start", range(0, 10)};
  Number exponent_last{this, "exponent_last", 0.5, "how much large shards are preferred after the ramp", range(0, 10)};
  Integer low{this, "low", 8, "shards of a batch at the start", range(1, 1 << 20)};
  Integer high{this, "high", 64, "shards of a batch after the ramp", range(1, 1 << 20)};
  Integer ramp{this, "ramp", 1800, "batches of the ramp", range(0, 1 << 30)};

  void configure() override {
    spread_ = {exponent_first, exponent_last, static_cast<uint64_t>(low.value()), static_cast<uint64_t>(high.value()),
               static_cast<uint64_t>(ramp.value())};
  }

  void open(const Tokens& tokens) override {
    tokens_ = tokens;
    walks_.assign(tokens.shard_count(), {});
  }

  void next(const Batch& batch) override {
    begin(static_cast<uint64_t>(batch.context));
    const std::vector<Window> windows = draw_batch(static_cast<uint64_t>(batch.rows * batch.ranks));
    row_.resize(context_ + 1);
    for (int64_t i = 0; i < batch.rows; ++i) {
      const Window& window = windows[static_cast<std::size_t>(batch.rank + i * batch.ranks)];
      tokens_.read(window.shard, window.first, context_ + 1, row_.data());
      std::copy_n(row_.begin(), context_, batch.tokens + i * batch.context);
      std::copy_n(row_.begin() + 1, context_, batch.targets + i * batch.context);
    }
  }

  void save(StateWriter& writer) const override {
    writer.number(context_);
    writer.number(batches_);
    writer.number(draws_);
    writer.number(static_cast<uint64_t>(walks_.size()));
    for (const coprime::Walk& walk : walks_) {
      for (const uint64_t number : {walk.phase, walk.blocks, walk.start, walk.stride, walk.next}) writer.number(number);
    }
  }

  void load(StateReader& reader) override {
    context_ = reader.number<uint64_t>();
    batches_ = reader.number<uint64_t>();
    draws_ = reader.number<uint64_t>();
    eligible_.clear();
    if (reader.number<uint64_t>() != walks_.size()) {
      throw Failure("the saved position is one in another number of shards");
    }
    for (std::size_t shard = 0; shard < walks_.size(); ++shard) {
      coprime::Walk& walk = walks_[shard];
      for (uint64_t* number : {&walk.phase, &walk.blocks, &walk.start, &walk.stride, &walk.next}) {
        *number = reader.number<uint64_t>();
      }
      if (!fits(walk, tokens_.shard_size(shard))) {
        throw Failure(std::string("the saved position in the shard ") + tokens_.shard_name(shard) + " does not fit it");
      }
    }
  }

 private:
  struct Window {
    uint64_t shard = 0;
    uint64_t first = 0;
  };

  // Only shards with a whole window take part.
  void begin(uint64_t context) {
    if (context_ != 0 && context_ != context) throw Failure("the context changed from one batch to the next");
    context_ = context;
    if (!eligible_.empty()) return;
    for (uint64_t shard = 0; shard < walks_.size(); ++shard) {
      if (tokens_.shard_size(shard) > context) eligible_.push_back(shard);
    }
    if (eligible_.empty()) {
      throw Failure("no shard is longer than the context of " + std::to_string(context) +
                    " tokens; make the context shorter");
    }
  }

  std::vector<Window> draw_batch(uint64_t Q) {
    std::vector<uint64_t> remaining;
    for (const uint64_t shard : eligible_) remaining.push_back(remaining_of(shard));
    const std::vector<double> shares = coprime::shares(remaining, spread_.exponent(batches_));
    const uint64_t k = spread_.shards(batches_, eligible_.size(), Q);
    std::vector<coprime::Portion> portions = coprime::portions(shares, k, Q, *this);
    shuffle(portions);
    std::vector<std::vector<Window>> buckets;
    for (const coprime::Portion& portion : portions) {
      std::vector<Window> bucket;
      for (uint64_t i = 0; i < portion.windows; ++i) bucket.push_back(take(eligible_[portion.shard]));
      shuffle(bucket);
      buckets.push_back(std::move(bucket));
    }
    ++batches_;
    return coprime::interleave(std::move(buckets), *this);
  }

  [[nodiscard]] uint64_t remaining_of(uint64_t shard) const {
    const coprime::Walk& walk = walks_[shard];
    return walk.blocks == 0 ? (tokens_.shard_size(shard) - 1) / context_ : walk.remaining();
  }

  Window take(uint64_t shard) {
    coprime::Walk& walk = walks_[shard];
    if (walk.remaining() == 0) walk = coprime::Walk::draw(tokens_.shard_size(shard), context_, *this);
    const Window window = {shard, walk.window(context_)};
    ++walk.next;
    return window;
  }

  // A walk that has not begun, or one whose windows all lie in the shard of n tokens.
  [[nodiscard]] bool fits(const coprime::Walk& walk, uint64_t n) const {
    if (walk.blocks == 0) return walk.next == 0;
    const bool inside = context_ > 0 && walk.phase < n && walk.blocks <= (n - 1 - walk.phase) / context_;
    return inside && walk.next <= walk.blocks && walk.start < walk.blocks && walk.stride <= walk.blocks;
  }

  uint64_t below(uint64_t n) override {
    __extension__ using Wide = unsigned __int128;
    return static_cast<uint64_t>((static_cast<Wide>(random_bits("coprime-loader", draws_++)) * n) >> 64);
  }
  double unit() override { return random_unit("coprime-loader", draws_++); }

  Tokens tokens_;
  coprime::Spread spread_;
  std::vector<uint64_t> eligible_;
  std::vector<int32_t> row_;
  // The position.
  uint64_t context_ = 0;  // 0: no batch yet
  uint64_t batches_ = 0;
  uint64_t draws_ = 0;
  std::vector<coprime::Walk> walks_;
};

}  // namespace

CADDIE_EXPORT_PLUGIN(CoprimeLoader)
