// Shuffled loader: windows of the shards in random order, each once before any comes again (openai/parameter-golf
// PR #1394, #1716).
//
//   lane l of W owns shards l, l+W, ...; a batch of Q rows takes Q/W from each lane
//   a shard of n tokens: phase f uniform in [0, min(T-1, n-T-1)], k = (n-1-f) / T windows at f + T perm[i]
//   row: a shard of the lane with probability ~ windows left, its last window; a lane without windows begins anew
//
// Rank r of R takes rows [r Q/R, (r+1) Q/R), so the batch does not depend on R; as published there is one lane a GPU.
// Random numbers are the run's own (counter-based): the order follows the run's seed, not the rank as published.
#include <caddie/plugin.hpp>

#include <algorithm>
#include <numeric>

namespace {

using namespace caddie;

struct ShuffledLoader : Loader {
  static constexpr Identity identity{.id = "shuffled-loader",
                                     .summary = "windows of the shards in random order, each once a pass",
                                     .citation = "openai/parameter-golf PR #1716, PR #1394",
                                     .reads = CADDIE_READS_TRAIN_TOKENS | CADDIE_READS_RANDOM};

  Integer lanes{this, "lanes", 1, "groups that the shards are dealt to, each giving its part of a batch",
                range(1, 65536)};

  void open(const Tokens& tokens) override {
    tokens_ = tokens;
    if (tokens.shard_count() < static_cast<uint64_t>(lanes.value())) {
      throw Failure(std::to_string(tokens.shard_count()) + " shards cannot be dealt to \"lanes\": " +
                    std::to_string(lanes.value()) + "; take at most one lane a shard");
    }
    shards_.assign(tokens.shard_count(), {});
  }

  void next(const Batch& batch) override {
    const int64_t rows = batch.rows * batch.ranks;
    if (rows % lanes != 0) {
      throw Failure("a batch of " + std::to_string(rows) + " rows cannot be cut into \"lanes\": " +
                    std::to_string(lanes.value()) + " equal parts; take a divisor of the rows");
    }
    if (context_ != 0 && context_ != static_cast<uint64_t>(batch.context)) {
      throw Failure("the context changed from one batch to the next");
    }
    context_ = static_cast<uint64_t>(batch.context);
    row_.resize(context_ + 1);
    for (int64_t row = 0; row < rows; ++row) {
      const Window window = draw(static_cast<uint64_t>(row / (rows / lanes)));
      const int64_t own = row - batch.rank * batch.rows;
      if (own < 0 || own >= batch.rows) continue;
      tokens_.read(window.shard, window.first, context_ + 1, row_.data());
      std::copy_n(row_.begin(), context_, batch.tokens + own * batch.context);
      std::copy_n(row_.begin() + 1, context_, batch.targets + own * batch.context);
    }
  }

  void save(StateWriter& writer) const override {
    writer.number(context_);
    writer.number(choices_);
    writer.number(static_cast<uint64_t>(shards_.size()));
    for (const Shard& shard : shards_) {
      writer.number(shard.pass);
      writer.number(static_cast<uint64_t>(shard.order.size()));
    }
  }

  void load(StateReader& reader) override {
    context_ = reader.number<uint64_t>();
    choices_ = reader.number<uint64_t>();
    if (reader.number<uint64_t>() != shards_.size()) {
      throw Failure("the saved position is one in another number of shards");
    }
    for (uint64_t i = 0; i < shards_.size(); ++i) {
      const auto pass = reader.number<uint64_t>();
      const auto left = reader.number<uint64_t>();
      shards_[i] = {};
      if (pass == 0 && left == 0) continue;
      if (context_ == 0 || pass == 0 || pass > kPasses) throw Failure("the saved position is damaged");
      shards_[i].pass = pass - 1;
      shuffle(i);
      if (left > shards_[i].order.size()) throw Failure("the saved position does not fit the shards");
      shards_[i].order.resize(left);
    }
  }

 private:
  static constexpr uint64_t kPasses = 65535;
  struct Window {
    uint64_t shard = 0;
    uint64_t first = 0;
  };
  struct Shard {
    uint64_t pass = 0;  // how often it was shuffled
    uint64_t phase = 0;
    std::vector<uint32_t> order;  // windows left; the last comes next
  };

  // A function of shard and pass alone, so that a saved position needs no list of windows.
  void shuffle(uint64_t index) {
    Shard& shard = shards_[index];
    const uint64_t n = tokens_.shard_size(index);
    ++shard.pass;
    shard.order.clear();
    if (n <= context_) return;
    const uint64_t key = index << 48 | (shard.pass & kPasses) << 32;
    shard.phase = below(std::min(context_ - 1, n - context_ - 1) + 1, "shuffled-loader.phase", key);
    shard.order.resize((n - 1 - shard.phase) / context_);
    std::iota(shard.order.begin(), shard.order.end(), 0u);
    for (std::size_t i = shard.order.size(); i > 1; --i) {
      std::swap(shard.order[i - 1], shard.order[below(i, "shuffled-loader.order", key | i)]);
    }
  }

  Window draw(uint64_t lane) {
    uint64_t left = windows_left(lane);
    if (left == 0) {
      for (uint64_t shard = lane; shard < shards_.size(); shard += step()) shuffle(shard);
      left = windows_left(lane);
    }
    if (left == 0) {
      throw Failure("no shard of lane " + std::to_string(lane) + " is longer than the context of " +
                    std::to_string(context_) + " tokens; make the context shorter");
    }
    uint64_t at = below(left, "shuffled-loader.choice", choices_++);
    uint64_t chosen = lane;
    while (at >= shards_[chosen].order.size()) {
      at -= shards_[chosen].order.size();
      chosen += step();
    }
    Shard& shard = shards_[chosen];
    const Window window = {chosen, shard.phase + context_ * shard.order.back()};
    shard.order.pop_back();
    return window;
  }

  [[nodiscard]] uint64_t step() const { return static_cast<uint64_t>(lanes.value()); }
  [[nodiscard]] uint64_t windows_left(uint64_t lane) const {
    uint64_t left = 0;
    for (uint64_t shard = lane; shard < shards_.size(); shard += step()) left += shards_[shard].order.size();
    return left;
  }
  [[nodiscard]] uint64_t below(uint64_t n, const char* name, uint64_t index) const {
    __extension__ using Wide = unsigned __int128;
    return static_cast<uint64_t>((static_cast<Wide>(random_bits(name, index)) * n) >> 64);
  }

  Tokens tokens_;
  std::vector<int32_t> row_;
  // The position.
  uint64_t context_ = 0;  // 0: no batch yet
  uint64_t choices_ = 0;
  std::vector<Shard> shards_;
};

}  // namespace

CADDIE_EXPORT_PLUGIN(ShuffledLoader)
