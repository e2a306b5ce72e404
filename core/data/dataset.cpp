#include "core/data/dataset.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/hash.hpp"
#include "core/data/shard_files.hpp"

namespace caddie::data {
namespace {

namespace fs = std::filesystem;

Result<void> compare_digest(const fs::path& file, const std::string& found, const std::string& expected) {
  if (found == expected) return {};
  return Error{Code::format, file.string(),
               fmt::format("is not the file that the data card describes (SHA-256 {}, expected {}); it was changed or "
                           "damaged: prepare the data again",
                           found.substr(0, 12), expected.substr(0, 12))};
}

}  // namespace

struct Dataset::Side {
  TokenStream stream;
  std::vector<std::string> digests;  // of each shard, SHA-256

  [[nodiscard]] Result<void> compare(const SplitRecord& split) const {
    for (std::size_t i = 0; i < split.shards.size(); ++i) {
      if (auto same = compare_digest(stream.shards()[i].path(), digests[i], split.shards[i].sha256); !same) return same;
    }
    return {};
  }
};

Result<Dataset::Side> Dataset::open_side(std::span<const fs::path> paths, const Tokenizer& tokenizer,
                                         const char* what) {
  Side side;
  std::vector<Shard> shards;
  for (const fs::path& path : paths) {
    auto shard = Shard::open(path);
    if (!shard) return shard.error();
    if (auto inside = check_ids(shard->tokens(), tokenizer.vocab_size(), path.string()); !inside) return inside.error();
    side.digests.push_back(sha256_hex(shard->bytes()));
    shards.push_back(std::move(shard).value());
  }
  side.stream = TokenStream(std::move(shards));
  if (side.stream.size() < 2) {
    return Error{Code::argument, paths.empty() ? "" : paths.front().string(),
                 fmt::format("the {} shards hold {} tokens; at least 2 are needed", what, side.stream.size())};
  }
  return side;
}

Result<Dataset> Dataset::assemble(Side train, Side validation, Tokenizer tokenizer, const std::string& tokenizer_name) {
  auto table = ByteTable::build(tokenizer.pieces(), tokenizer_name);
  if (!table) return table.error();
  std::string content = "caddie-dataset/1\ntokenizer " + tokenizer.digest() + "\n";
  for (const std::string& digest : train.digests) content += "train " + digest + "\n";
  for (const std::string& digest : validation.digests) content += "validation " + digest + "\n";
  return Dataset(std::move(train.stream), std::move(validation.stream), std::move(tokenizer), std::move(table).value(),
                 sha256_hex(content));
}

Result<Dataset> Dataset::open_folder(const fs::path& folder) {
  auto card = read_card(folder);
  if (!card) return card.error();
  auto tokenizer_file = read_text(folder / kTokenizerFile);
  if (!tokenizer_file) return tokenizer_file.error();
  // Before the bytes reach SentencePiece, which trusts them.
  const fs::path tokenizer_path = folder / kTokenizerFile;
  if (auto same = compare_digest(tokenizer_path, sha256_hex(*tokenizer_file), card->tokenizer_sha256); !same) {
    return same.error();
  }
  auto tokenizer = Tokenizer::from_bytes(std::move(tokenizer_file).value(), tokenizer_path.string());
  if (!tokenizer) return tokenizer.error();
  auto train = open_side(shard_paths(folder, card->train), *tokenizer, "training");
  if (!train) return train.error();
  if (auto same = train->compare(card->train); !same) return same.error();
  auto validation = open_side(shard_paths(folder, card->validation), *tokenizer, "validation");
  if (!validation) return validation.error();
  if (auto same = validation->compare(card->validation); !same) return same.error();
  auto dataset = assemble(std::move(train).value(), std::move(validation).value(), std::move(tokenizer).value(),
                          tokenizer_path.string());
  if (dataset) dataset->card_ = std::move(card).value();
  return dataset;
}

Result<Dataset> Dataset::open_shards(const ShardSources& sources) {
  auto tokenizer = Tokenizer::load(sources.tokenizer);
  if (!tokenizer) return tokenizer.error();
  const auto train_paths = find_shards(sources.train);
  if (!train_paths) return train_paths.error();
  const auto validation_paths = find_shards(sources.validation);
  if (!validation_paths) return validation_paths.error();
  for (const fs::path& path : *train_paths) {
    std::error_code code;
    const auto same = [&](const fs::path& other) { return fs::equivalent(path, other, code); };
    if (std::any_of(validation_paths->begin(), validation_paths->end(), same)) {
      return Error{Code::argument, path.string(), "is named for training and for validation; a score on trained text is "
                                                  "worth nothing"};
    }
  }
  auto train = open_side(*train_paths, *tokenizer, "training");
  if (!train) return train.error();
  auto validation = open_side(*validation_paths, *tokenizer, "validation");
  if (!validation) return validation.error();
  return assemble(std::move(train).value(), std::move(validation).value(), std::move(tokenizer).value(),
                  sources.tokenizer.string());
}

}  // namespace caddie::data
