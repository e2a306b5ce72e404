// Document-packing loader: rows are cut from the stream of documents as it is, and say which tokens belong together, so
// that attention can keep documents apart (Krell et al. 2021, arXiv:2107.02027; openai/parameter-golf PR #1530, #2163).
//
//   a batch of Q rows of T tokens takes Q (T + 1) consecutive tokens of one shard, from its first BOS on; when fewer
//   are left, they are dropped and the next shard begins
//
//   segments: a new one at the start of a row, at every BOS, and every max_segment tokens of a segment
//
// Rank r of R takes rows [r Q/R, (r+1) Q/R), so the batch does not depend on R. The shards come around and around.
#include <caddie/plugin.hpp>

#include <algorithm>
#include <string>

namespace {

using namespace caddie;

struct DocPackingLoader : Loader {
  static constexpr Identity identity{.id = "doc-packing-loader",
                                     .summary = "rows of whole documents one after another, with their segments",
                                     .citation = "Krell et al. 2021, arXiv:2107.02027; openai/parameter-golf PR #2163",
                                     .reads = CADDIE_READS_TRAIN_TOKENS};

  Integer max_segment{this, "max_segment", 2048, "longest segment, in tokens", range(1, 1 << 30)};

  void open(const Tokens& tokens) override {
    tokens_ = tokens;
    if (tokens.shard_count() == 0) throw Failure("there are no shards");
    enter(0);
  }

  [[nodiscard]] bool has_segments() const override { return true; }

  void next(const Batch& batch) override {
    const auto slice = static_cast<uint64_t>(batch.context) + 1;
    const uint64_t needed = slice * static_cast<uint64_t>(batch.rows * batch.ranks);
    find(needed);
    row_.resize(slice);
    for (int64_t i = 0; i < batch.rows; ++i) {
      const auto row = static_cast<uint64_t>(batch.rank * batch.rows + i);
      tokens_.read(shard_, cursor_ + row * slice, slice, row_.data());
      std::copy_n(row_.begin(), batch.context, batch.tokens + i * batch.context);
      std::copy_n(row_.begin() + 1, batch.context, batch.targets + i * batch.context);
      if (batch.segments == nullptr) continue;
      mark(batch.tokens + i * batch.context, batch.context, batch.segments + i * batch.context);
    }
    cursor_ += needed;
  }

  void save(StateWriter& writer) const override {
    writer.number(tokens_.shard_count());
    writer.number(tokens_.shard_size(shard_));
    writer.number(shard_);
    writer.number(cursor_);
  }

  void load(StateReader& reader) override {
    const auto count = reader.number<uint64_t>();
    const auto size = reader.number<uint64_t>();
    const auto shard = reader.number<uint64_t>();
    const auto cursor = reader.number<uint64_t>();
    if (count != tokens_.shard_count() || shard >= count || size != tokens_.shard_size(shard) || cursor > size) {
      throw Failure("the saved position is token " + std::to_string(cursor) + " of shard " + std::to_string(shard) +
                    " of " + std::to_string(count) +
                    ", which these shards do not have: they are not those of the saved run");
    }
    shard_ = shard;
    cursor_ = cursor;
  }

 private:
  // At the first BOS of a shard; at its first token where it has none.
  void enter(uint64_t shard) {
    constexpr uint64_t kPiece = 1 << 16;
    shard_ = shard;
    cursor_ = 0;
    const uint64_t size = tokens_.shard_size(shard);
    for (uint64_t first = 0; first < size; first += kPiece) {
      row_.resize(std::min(kPiece, size - first));
      tokens_.read(shard, first, row_.size(), row_.data());
      const auto bos = std::find(row_.begin(), row_.end(), tokens_.bos());
      if (bos == row_.end()) continue;
      cursor_ = first + static_cast<uint64_t>(bos - row_.begin());
      return;
    }
  }

  // To where so many tokens of one shard are left.
  void find(uint64_t needed) {
    for (uint64_t passed = 0; tokens_.shard_size(shard_) - cursor_ < needed; ++passed) {
      if (passed == tokens_.shard_count()) {
        throw Failure("no shard has the " + std::to_string(needed) +
                      " tokens of a batch after its first BOS; make the batch or the context smaller");
      }
      enter((shard_ + 1) % tokens_.shard_count());
    }
  }

  void mark(const int32_t* tokens, int64_t context, int32_t* segments) const {
    int32_t segment = 0;
    int64_t start = 0;
    for (int64_t i = 0; i < context; ++i) {
      if (i > 0 && (tokens[i] == tokens_.bos() || i - start == max_segment)) {
        ++segment;
        start = i;
      }
      segments[i] = segment;
    }
  }

  Tokens tokens_;
  std::vector<int32_t> row_;
  // The position.
  uint64_t shard_ = 0;
  uint64_t cursor_ = 0;  // of the next batch
};

}  // namespace

CADDIE_EXPORT_PLUGIN(DocPackingLoader)
