#include "core/data/output_folder.hpp"

#include <fmt/format.h>

#include <vector>

#include "core/base/file.hpp"
#include "core/base/hash.hpp"
#include "core/data/shard.hpp"

namespace caddie::data {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMark = "incomplete";

bool is_own_shard(const std::string& name) {
  const std::size_t prefix = name.starts_with("train_") ? 6 : name.starts_with("val_") ? 4 : 0;
  if (prefix == 0 || !name.ends_with(".bin")) return false;
  const std::string digits = name.substr(prefix, name.size() - prefix - 4);
  return digits.size() >= 6 && digits.find_first_not_of("0123456789") == std::string::npos;
}

Result<std::vector<fs::path>> own_shards(const fs::path& folder) {
  std::vector<fs::path> shards;
  std::error_code code;
  if (!fs::exists(folder, code)) return shards;
  fs::directory_iterator entries(folder, code);
  for (const fs::directory_iterator end; !code && entries != end; entries.increment(code)) {
    if (is_own_shard(entries->path().filename().string())) shards.push_back(entries->path());
  }
  if (code) return Error{Code::io, folder.string(), "cannot list the output folder: " + code.message()};
  return shards;
}

// Every file that the card names is there, with its size and, for the shards, its content.
bool is_complete(const fs::path& folder, const Card& card) {
  std::error_code code;
  if (fs::exists(folder / kMark, code)) return false;
  const auto model = read_text(folder / kTokenizerFile);
  if (!model || sha256_hex(*model) != card.tokenizer_sha256) return false;
  for (const SplitRecord* split : {&card.train, &card.validation}) {
    for (const ShardRecord& record : split->shards) {
      const auto shard = Shard::open(folder / record.file);
      if (!shard || xxh3_hex(shard->bytes()) != record.xxh3) return false;
    }
  }
  return true;
}

}  // namespace

std::string shard_name(std::string_view prefix, std::size_t index) { return fmt::format("{}_{:06d}.bin", prefix, index); }

Result<std::optional<Card>> find_prepared(const fs::path& folder, const std::string& settings_digest, bool overwrite) {
  std::error_code code;
  const auto refuse = [&](const char* what) {
    return Error{Code::state, folder.string(), fmt::format("{}; choose another folder, or allow it to be overwritten",
                                                           what)};
  };
  if (fs::exists(folder / kCardFile, code)) {
    auto card = read_card(folder);
    if (card && card->settings_digest == settings_digest) {
      if (is_complete(folder, *card)) return std::optional<Card>(std::move(card).value());
      return std::optional<Card>();  // the same data, damaged since: made again
    }
    if (!overwrite) return refuse(card ? "holds data prepared from other text or settings" : "holds a damaged data card");
    return std::optional<Card>();
  }
  if (fs::exists(folder / kMark, code) || overwrite) return std::optional<Card>();
  const auto shards = own_shards(folder);
  if (!shards) return shards.error();
  if (!shards->empty()) return refuse("holds shards without a data card");
  return std::optional<Card>();
}

Result<void> begin_output(const fs::path& folder) {
  if (auto marked = write_atomically(folder / kMark, "This data is not complete: prepare it again.\n"); !marked) {
    return marked;
  }
  auto old = own_shards(folder);
  if (!old) return old.error();
  old->push_back(folder / kCardFile);
  for (const fs::path& path : *old) {
    std::error_code code;
    fs::remove(path, code);
    if (code) return Error{Code::io, path.string(), "cannot remove the earlier file: " + code.message()};
  }
  return {};
}

Result<void> finish_output(const fs::path& folder, const Card& card) {
  if (auto written = write_atomically(folder / kCardFile, format_card(card)); !written) return written;
  std::error_code code;
  fs::remove(folder / kMark, code);
  if (code) return Error{Code::io, (folder / kMark).string(), "cannot remove the mark: " + code.message()};
  return {};
}

}  // namespace caddie::data
