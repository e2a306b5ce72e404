#include "core/data/check.hpp"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "core/base/file.hpp"
#include "core/base/hash.hpp"
#include "core/base/text.hpp"
#include "core/data/documents.hpp"
#include "core/data/shard_files.hpp"

namespace caddie::data {
namespace {

namespace fs = std::filesystem;

class Checker {
 public:
  // `folder` is empty for shards made elsewhere.
  explicit Checker(std::string folder) : folder_(std::move(folder)) {}

  void add(std::string file, std::string text) { report_.findings.push_back({std::move(file), std::move(text)}); }
  void add(const Error& error) { add(error.where, error.text); }

  void open_tokenizer(const fs::path& path, const std::string& expected_sha256) {
    tokenizer_path_ = path.string();
    auto model = read_text(path);
    if (!model) return add(model.error());
    if (!expected_sha256.empty() && sha256_hex(*model) != expected_sha256) {
      return add(tokenizer_path_, "is not the tokenizer that the data card describes (its SHA-256 differs); prepare the "
                                  "data again");
    }
    auto tokenizer = Tokenizer::from_bytes(std::move(model).value(), tokenizer_path_);
    if (!tokenizer) return add(tokenizer.error());
    report_.vocab_size = tokenizer->vocab_size();
    auto table = ByteTable::build(tokenizer->pieces(), tokenizer_path_);
    tokenizer_ = std::move(tokenizer).value();
    if (!table) return add(table.error());
    table_ = std::move(table).value();
  }

  // The shards of one side that can be read, as a stream; `records` are the card's, or null.
  TokenStream open_side(const std::vector<fs::path>& paths, const SplitRecord* records, SplitTotals& totals) {
    std::vector<Shard> shards;
    for (std::size_t i = 0; i < paths.size(); ++i) {
      auto shard = Shard::open(paths[i]);
      if (!shard) {
        add(shard.error());
        complete_ = false;
        continue;
      }
      if (records != nullptr) compare(*shard, records->shards[i]);
      if (tokenizer_) {
        if (auto inside = check_ids(shard->tokens(), tokenizer_->vocab_size(), paths[i].string()); !inside) {
          add(inside.error());
          complete_ = false;
          continue;
        }
      }
      shards.push_back(std::move(shard).value());
    }
    TokenStream stream(std::move(shards));
    totals.shards = static_cast<std::int64_t>(stream.shards().size());
    totals.tokens = stream.size();
    return stream;
  }

  // Documents, bytes and the index of one side.
  void scan(const TokenStream& stream, const char* side, SplitTotals& totals, DigestMap& index) {
    if (!tokenizer_ || stream.size() == 0) return;
    const std::string place = place_of(stream);
    std::int64_t repeated = 0;
    std::int64_t miscounted = 0;
    std::string example;
    for_each_document(stream, tokenizer_->bos(), [&](std::span<const TokenId> document, std::int64_t position) {
      if (document.front() != tokenizer_->bos()) {
        add(place, fmt::format("the {} tokens do not begin with the begin-of-document id {}; the first document lacks "
                                "its beginning",
                                side, tokenizer_->bos()));
      }
      ++totals.documents;
      if (!index.try_emplace(digest_tokens(document), position).second) ++repeated;
      if (!table_) return;
      const auto decoded = tokenizer_->decode(document);
      const std::int64_t counted = sum_target_bytes(document, *table_);
      const auto length = decoded ? static_cast<std::int64_t>(decoded->size()) : -1;
      totals.text_bytes += counted;
      if (counted == length || document.front() != tokenizer_->bos()) return;
      if (miscounted++ == 0) {
        example = fmt::format("the one at token {} counts {} bytes and decodes to {}", position, counted, length);
      }
    });
    if (miscounted > 0) {
      add(place, fmt::format("{} {} document{} count other bytes than their decoded text has ({}); the shards do not "
                              "fit this tokenizer",
                              with_separators(miscounted), side, miscounted == 1 ? "" : "s", example));
    }
    if (repeated > 0 && card_.has_value()) {
      add(place, fmt::format("{} {} document{} stand more than once", with_separators(repeated), side,
                              repeated == 1 ? "" : "s"));
    }
  }

  void compare_sides(const DigestMap& train, const DigestMap& validation, const TokenStream& validation_stream) {
    std::int64_t shared = 0;
    std::int64_t first = -1;
    for (const auto& [key, position] : validation) {
      if (!train.contains(key)) continue;
      first = shared++ == 0 ? position : std::min(first, position);
    }
    if (shared == 0) return;
    add(place_of(validation_stream), fmt::format("{} of {} validation documents are also in the training shards (the first at validation "
                            "token {}); a score on them is worth nothing: split the data again",
                            with_separators(shared), with_separators(static_cast<std::int64_t>(validation.size())),
                            first));
  }

  void compare_totals(const SplitTotals& totals, const SplitRecord& record, const char* side) {
    if (!complete_ || !table_) return;  // said already, and every sum would differ
    const std::string file = (fs::path(folder_) / kCardFile).string();
    const auto compare_one = [&](const char* what, std::int64_t found, std::int64_t said) {
      if (found == said) return;
      add(file, fmt::format("says {} {} {}, but the shards hold {}", with_separators(said), side, what,
                            with_separators(found)));
    };
    compare_one("documents", totals.documents, record.documents);
    compare_one("tokens", totals.tokens, record.tokens);
    compare_one("bytes of text", totals.text_bytes, record.text_bytes);
  }

  void run(const std::vector<fs::path>& train_paths, const std::vector<fs::path>& validation_paths) {
    const TokenStream train = open_side(train_paths, card_ ? &card_->train : nullptr, report_.train);
    const TokenStream validation = open_side(validation_paths, card_ ? &card_->validation : nullptr, report_.validation);
    DigestMap train_index;
    DigestMap validation_index;
    scan(train, "training", report_.train, train_index);
    scan(validation, "validation", report_.validation, validation_index);
    compare_sides(train_index, validation_index, validation);
    if (!card_) return;
    compare_totals(report_.train, card_->train, "training");
    compare_totals(report_.validation, card_->validation, "validation");
    if (tokenizer_ && tokenizer_->vocab_size() != card_->vocab_size) {
      add((fs::path(folder_) / kCardFile).string(), fmt::format("says the vocabulary has {} ids; the tokenizer has {}",
                                                               card_->vocab_size, tokenizer_->vocab_size()));
    }
  }

  void set_card(Card card) { card_ = std::move(card); }
  CheckReport finish() { return std::move(report_); }

 private:
  // What a finding about a whole side names; the stream is not empty.
  [[nodiscard]] std::string place_of(const TokenStream& stream) const {
    return card_ ? folder_ : stream.shards().front().path().string();
  }

  void compare(const Shard& shard, const ShardRecord& record) {
    const std::string file = shard.path().string();
    if (xxh3_hex(shard.bytes()) == record.xxh3 && sha256_hex(shard.bytes()) == record.sha256) return;
    add(file, "is not the shard that the data card describes (its digests differ); prepare the data again");
  }

  std::string folder_;
  std::string tokenizer_path_;
  std::optional<Card> card_;
  std::optional<Tokenizer> tokenizer_;
  std::optional<ByteTable> table_;
  bool complete_ = true;  // every shard could be read
  CheckReport report_;
};

}  // namespace

CheckReport check_folder(const fs::path& folder) {
  Checker checker(folder.string());
  auto card = read_card(folder);
  if (!card) {
    checker.add(card.error());
    return checker.finish();
  }
  const auto train = shard_paths(folder, card->train);
  const auto validation = shard_paths(folder, card->validation);
  checker.open_tokenizer(folder / kTokenizerFile, card->tokenizer_sha256);
  checker.set_card(std::move(card).value());
  checker.run(train, validation);
  return checker.finish();
}

CheckReport check_shards(const ShardSources& sources) {
  Checker checker("");
  checker.open_tokenizer(sources.tokenizer, "");
  const auto find = [&](const std::vector<std::string>& patterns) {
    auto found = find_shards(patterns);
    if (!found) checker.add(found.error());
    return found ? std::move(found).value() : std::vector<fs::path>();
  };
  const auto train = find(sources.train);
  const auto validation = find(sources.validation);
  checker.run(train, validation);
  return checker.finish();
}

}  // namespace caddie::data
