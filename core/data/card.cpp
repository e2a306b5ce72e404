#include "core/data/card.hpp"

#include <fmt/format.h>

#include "core/base/file.hpp"
#include "core/data/shard.hpp"

namespace caddie::data {
namespace {

using nlohmann::json;

constexpr const char* kFormat = "caddie-data-card";

// Reads typed members and keeps the first error.
class Reader {
 public:
  explicit Reader(std::string name) : name_(std::move(name)) {}

  const json* member(const json& object, const std::string& pointer, const char* key, json::value_t type,
                     const char* expected) {
    const auto found = object.is_object() ? object.find(key) : object.end();
    const bool integer = type == json::value_t::number_unsigned;
    if (found == object.end() || !(integer ? found->is_number_unsigned() : found->type() == type)) {
      fail(pointer + "/" + key, fmt::format("expected {}", expected));
      return nullptr;
    }
    return &*found;
  }

  std::string text(const json& object, const std::string& pointer, const char* key) {
    const json* value = member(object, pointer, key, json::value_t::string, "a text");
    return value == nullptr ? std::string() : value->get<std::string>();
  }

  std::int64_t count(const json& object, const std::string& pointer, const char* key) {
    const json* value = member(object, pointer, key, json::value_t::number_unsigned, "a whole number, not negative");
    if (value == nullptr) return 0;
    const auto number = value->get<std::uint64_t>();
    if (number > std::uint64_t{1} << 53) {
      fail(pointer + "/" + key, "the number is too large");
      return 0;
    }
    return static_cast<std::int64_t>(number);
  }

  std::string digest(const json& object, const std::string& pointer, const char* key, std::size_t digits) {
    std::string value = text(object, pointer, key);
    if (value.size() != digits || value.find_first_not_of("0123456789abcdef") != std::string::npos) {
      fail(pointer + "/" + key, fmt::format("expected a digest of {} hexadecimal digits", digits));
    }
    return value;
  }

  // A name in the card's own folder.
  std::string file(const json& object, const std::string& pointer, const char* key) {
    std::string value = text(object, pointer, key);
    if (value.empty() || value.starts_with('.') || value.find('/') != std::string::npos ||
        value.find('\0') != std::string::npos) {
      fail(pointer + "/" + key, "expected the plain name of a file in this folder");
    }
    return value;
  }

  const json& object(const json& parent, const std::string& pointer, const char* key) {
    static const json empty = json::object();
    const json* value = member(parent, pointer, key, json::value_t::object, "an object");
    return value == nullptr ? empty : *value;
  }

  const json& array(const json& parent, const std::string& pointer, const char* key) {
    static const json empty = json::array();
    const json* value = member(parent, pointer, key, json::value_t::array, "a list");
    return value == nullptr ? empty : *value;
  }

  void fail(const std::string& pointer, std::string text) {
    if (failed_) return;
    failed_ = true;
    error_ = {Code::format, fmt::format("{} {}", name_, pointer), "the data card is damaged: " + std::move(text)};
  }

  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] const Error& error() const { return error_; }

 private:
  std::string name_;
  bool failed_ = false;
  Error error_;
};

json split_to_json(const SplitRecord& split) {
  json shards = json::array();
  for (const ShardRecord& shard : split.shards) {
    shards.push_back({{"file", shard.file},
                      {"tokens", shard.tokens},
                      {"bytes", shard.bytes},
                      {"xxh3", shard.xxh3},
                      {"sha256", shard.sha256}});
  }
  return {{"documents", split.documents},
          {"tokens", split.tokens},
          {"text_bytes", split.text_bytes},
          {"raw_bytes", split.raw_bytes},
          {"shards", std::move(shards)}};
}

SplitRecord read_split(Reader& reader, const json& root, const char* key) {
  const json& object = reader.object(root, "", key);
  const std::string pointer = std::string("/") + key;
  SplitRecord split;
  split.documents = reader.count(object, pointer, "documents");
  split.tokens = reader.count(object, pointer, "tokens");
  split.text_bytes = reader.count(object, pointer, "text_bytes");
  split.raw_bytes = reader.count(object, pointer, "raw_bytes");
  const json& shards = reader.array(object, pointer, "shards");
  std::int64_t tokens = 0;
  for (std::size_t i = 0; i < shards.size() && !reader.failed(); ++i) {
    const std::string at = fmt::format("{}/shards/{}", pointer, i);
    ShardRecord shard;
    shard.file = reader.file(shards[i], at, "file");
    shard.tokens = reader.count(shards[i], at, "tokens");
    shard.bytes = reader.count(shards[i], at, "bytes");
    shard.xxh3 = reader.digest(shards[i], at, "xxh3", 32);
    shard.sha256 = reader.digest(shards[i], at, "sha256", 64);
    if (shard.tokens > kMaxShardTokens ||
        shard.bytes != static_cast<std::int64_t>(kShardHeaderBytes) + 2 * shard.tokens) {
      reader.fail(at + "/bytes", "the size does not fit the number of tokens");
      break;
    }
    tokens += shard.tokens;
    split.shards.push_back(std::move(shard));
  }
  if (split.shards.empty()) reader.fail(pointer + "/shards", "expected at least one shard");
  if (tokens != split.tokens) {
    reader.fail(pointer + "/tokens", fmt::format("{} is not the sum over the shards, {}", split.tokens, tokens));
  }
  return split;
}

}  // namespace

std::string format_card(const Card& card) {
  json source = json::array();
  for (const SourceRecord& file : card.source) {
    source.push_back({{"name", file.name}, {"bytes", file.bytes}, {"sha256", file.sha256}});
  }
  const json root = {
      {"format", kFormat},
      {"format_version", kCardVersion},
      {"description", card.description},
      {"source", std::move(source)},
      {"settings", card.settings},
      {"settings_digest", card.settings_digest},
      {"tokenizer",
       {{"file", kTokenizerFile},
        {"sha256", card.tokenizer_sha256},
        {"vocab_size", card.vocab_size},
        {"trained_here", card.tokenizer_trained}}},
      {"documents",
       {{"read", card.documents_read},
        {"empty", card.documents_empty},
        {"duplicate", card.documents_duplicate},
        {"unused", card.documents_unused},
        {"replaced_bytes", card.replaced_bytes}}},
      {"train", split_to_json(card.train)},
      {"validation", split_to_json(card.validation)},
  };
  return root.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

Result<Card> parse_card(std::string_view text, const std::string& name) {
  const json root = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (root.is_discarded()) return Error{Code::format, name, "the data card is not valid JSON; prepare the data again"};
  Reader reader(name);
  if (reader.text(root, "", "format") != kFormat) {
    reader.fail("/format", fmt::format("expected \"{}\"", kFormat));
  } else if (const auto version = reader.count(root, "", "format_version"); version != kCardVersion) {
    reader.fail("/format_version", fmt::format("is {}; this program reads version {}", version, kCardVersion));
  }
  if (reader.failed()) return reader.error();

  Card card;
  card.description = reader.text(root, "", "description");
  const json& source = reader.array(root, "", "source");
  for (std::size_t i = 0; i < source.size() && !reader.failed(); ++i) {
    const std::string at = fmt::format("/source/{}", i);
    card.source.push_back({reader.text(source[i], at, "name"), reader.count(source[i], at, "bytes"),
                           reader.digest(source[i], at, "sha256", 64)});
  }
  card.settings = reader.object(root, "", "settings");
  card.settings_digest = reader.digest(root, "", "settings_digest", 64);

  const json& tokenizer = reader.object(root, "", "tokenizer");
  card.tokenizer_sha256 = reader.digest(tokenizer, "/tokenizer", "sha256", 64);
  card.vocab_size = reader.count(tokenizer, "/tokenizer", "vocab_size");
  const json* trained = reader.member(tokenizer, "/tokenizer", "trained_here", json::value_t::boolean, "true or false");
  card.tokenizer_trained = trained != nullptr && trained->get<bool>();

  const json& documents = reader.object(root, "", "documents");
  card.documents_read = reader.count(documents, "/documents", "read");
  card.documents_empty = reader.count(documents, "/documents", "empty");
  card.documents_duplicate = reader.count(documents, "/documents", "duplicate");
  card.documents_unused = reader.count(documents, "/documents", "unused");
  card.replaced_bytes = reader.count(documents, "/documents", "replaced_bytes");
  card.train = read_split(reader, root, "train");
  card.validation = read_split(reader, root, "validation");
  if (reader.failed()) return reader.error();
  return card;
}

Result<Card> read_card(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / kCardFile;
  auto text = read_text(path);
  if (!text) return text.error();
  return parse_card(*text, path.string());
}

std::vector<std::filesystem::path> shard_paths(const std::filesystem::path& folder, const SplitRecord& split) {
  std::vector<std::filesystem::path> paths;
  for (const ShardRecord& record : split.shards) paths.push_back(folder / record.file);
  return paths;
}

}  // namespace caddie::data
