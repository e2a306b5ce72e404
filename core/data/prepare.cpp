#include "core/data/prepare.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "core/base/file.hpp"
#include "core/base/hash.hpp"
#include "core/data/byte_table.hpp"
#include "core/data/documents.hpp"
#include "core/data/encode.hpp"
#include "core/data/output_folder.hpp"
#include "core/data/shard.hpp"
#include "core/data/tokenizer.hpp"

namespace caddie::data {
namespace {

namespace fs = std::filesystem;

// Raised when the same source and settings would give other bytes than before.
constexpr int kMethodVersion = 1;

Result<void> check_settings(const PrepareSettings& settings) {
  const auto bad = [](std::string text) { return Error{Code::argument, "", std::move(text)}; };
  if (settings.shard_tokens < 1 || settings.shard_tokens > kMaxShardTokens) {
    return bad(fmt::format("shard_tokens is {}; choose between 1 and {}", settings.shard_tokens, kMaxShardTokens));
  }
  if (settings.tokenizer_sample_bytes < 1) return bad("tokenizer_sample_bytes must be at least 1");
  if (settings.max_document_bytes < 0 || settings.selection.max_bytes < 0) {
    return bad("max_document_bytes and max_bytes must not be negative; 0 means no limit");
  }
  if (!(settings.character_coverage > 0 && settings.character_coverage <= 1)) {
    return bad(fmt::format("character_coverage is {}; choose a share above 0, at most 1", settings.character_coverage));
  }
  return {};
}

// A later run would read what an earlier one wrote.
Result<void> check_output(const fs::path& source, const fs::path& output) {
  std::error_code code;
  if (!fs::is_directory(source, code)) return {};
  const fs::path inner = fs::weakly_canonical(output, code);
  const fs::path outer = fs::weakly_canonical(source, code);
  const bool inside = std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
  if (!inside) return {};
  return Error{Code::argument, output.string(), "the output lies inside the source folder; choose a place outside it"};
}

// Everything that decides the result apart from the source's bytes.
nlohmann::json describe_settings(const PrepareSettings& settings, const std::optional<Tokenizer>& given) {
  nlohmann::json out = {
      {"method_version", kMethodVersion},
      {"seed", settings.selection.seed},
      {"shuffle", settings.selection.shuffle},
      {"validation_fraction", settings.selection.validation_fraction},
      {"validation_documents", settings.selection.validation_documents},
      {"max_bytes", settings.selection.max_bytes},
      {"max_document_bytes", settings.max_document_bytes},
      {"shard_tokens", settings.shard_tokens},
      {"invalid_utf8", settings.text.invalid_utf8 == InvalidUtf8::error     ? "error"
                       : settings.text.invalid_utf8 == InvalidUtf8::replace ? "replace"
                                                                            : "automatic"},
  };
  if (given) {
    out["tokenizer"] = {{"sha256", given->digest()}};
  } else {
    out["tokenizer"] = {{"vocab_size", settings.vocab_size},
                        {"character_coverage", settings.character_coverage},
                        {"sample_bytes", settings.tokenizer_sample_bytes}};
  }
  return out;
}

std::string settings_digest(const nlohmann::json& settings, const std::string& description,
                            const std::vector<SourceFile>& files) {
  nlohmann::json source = nlohmann::json::array();
  for (const SourceFile& file : files) source.push_back({file.name, file.bytes, file.sha256});
  const nlohmann::json all = {settings, description, std::move(source)};
  return sha256_hex(all.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

// The first training documents, which are in random order, up to about `sample_bytes`.
Result<Tokenizer> train_on(const std::vector<const Document*>& documents, const PrepareSettings& settings) {
  std::vector<std::string_view> sample;
  std::int64_t bytes = 0;
  for (const Document* document : documents) {
    if (bytes >= settings.tokenizer_sample_bytes) break;
    const auto left = static_cast<std::size_t>(settings.tokenizer_sample_bytes - bytes);
    std::string_view text = document->text;
    if (text.size() > left) {
      std::size_t end = left;  // not within a character
      while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
      text = text.substr(0, end);
    }
    if (text.empty()) break;
    sample.push_back(text);
    bytes += static_cast<std::int64_t>(text.size());
  }
  auto model = train_tokenizer(sample, {settings.vocab_size, settings.character_coverage});
  if (!model) return model.error();
  return Tokenizer::from_bytes(std::move(model).value(), kTokenizerFile);
}

struct SplitContent {
  std::vector<TokenId> tokens;
  SplitRecord record;
};

// Joins the encoded documents, without those whose tokens `seen` has already: texts that differ only in what the
// tokenizer normalises away must not stand twice, and above all not on both sides.
SplitContent join(const std::vector<const Document*>& documents, const std::vector<EncodedDocument>& encoded,
                  DigestSet& seen, Card& card) {
  SplitContent content;
  for (std::size_t i = 0; i < documents.size(); ++i) {
    const std::vector<TokenId>& tokens = encoded[i].tokens;
    if (tokens.size() < 2) {
      ++card.documents_empty;
      continue;
    }
    if (!seen.insert(digest_tokens(tokens)).second) {
      ++card.documents_duplicate;
      continue;
    }
    content.tokens.insert(content.tokens.end(), tokens.begin(), tokens.end());
    ++content.record.documents;
    content.record.text_bytes += encoded[i].text_bytes;
    content.record.raw_bytes += static_cast<std::int64_t>(documents[i]->text.size());
  }
  content.record.tokens = static_cast<std::int64_t>(content.tokens.size());
  return content;
}

Result<void> write_split(const fs::path& folder, std::string_view prefix, std::int64_t shard_tokens,
                         SplitContent& content) {
  const auto step = static_cast<std::size_t>(shard_tokens);
  const std::span<const TokenId> tokens = content.tokens;
  for (std::size_t begin = 0; begin < tokens.size(); begin += step) {
    const auto part = tokens.subspan(begin, std::min(step, tokens.size() - begin));
    const auto bytes = format_shard(part);
    if (!bytes) return bytes.error();
    const std::string name = shard_name(prefix, content.record.shards.size());
    if (auto written = write_atomically(folder / name, *bytes); !written) return written;
    const std::span view(reinterpret_cast<const std::uint8_t*>(bytes->data()), bytes->size());
    content.record.shards.push_back({name, static_cast<std::int64_t>(part.size()),
                                     static_cast<std::int64_t>(bytes->size()), xxh3_hex(view), sha256_hex(view)});
  }
  return {};
}

// One run of prepare, with what its steps share.
class Run {
 public:
  Run(const PrepareSettings& settings, const fs::path& output) : settings_(settings), output_(output) {}

  Result<PrepareResult> operator()() {
    if (auto valid = check_settings(settings_); !valid) return valid.error();
    if (auto valid = check_output(settings_.source, output_); !valid) return valid.error();
    report("read");
    std::optional<Tokenizer> tokenizer;
    if (!settings_.tokenizer_model.empty()) {
      auto loaded = Tokenizer::load(settings_.tokenizer_model);
      if (!loaded) return loaded.error();
      tokenizer = std::move(loaded).value();
    }
    auto files = list_source(settings_.source);
    if (!files) return files.error();
    describe(*files, tokenizer);
    auto existing = find_prepared(output_, card_.settings_digest, settings_.overwrite);
    if (!existing) return existing.error();
    if (*existing) return PrepareResult{std::move(**existing), true};
    if (auto done = make(*files, std::move(tokenizer)); !done) return done.error();
    return PrepareResult{std::move(card_), false};
  }

 private:
  void report(std::string_view stage, std::int64_t done = 0, std::int64_t total = 0) const {
    if (settings_.progress) settings_.progress({stage, done, total});
  }

  void describe(const std::vector<SourceFile>& files, const std::optional<Tokenizer>& given) {
    card_.description = settings_.description.empty() ? settings_.source.filename().string() : settings_.description;
    for (const SourceFile& file : files) card_.source.push_back({file.name, file.bytes, file.sha256});
    card_.settings = describe_settings(settings_, given);
    card_.settings_digest = settings_digest(card_.settings, card_.description, files);
    card_.tokenizer_trained = !given.has_value();
  }

  Result<void> make(const std::vector<SourceFile>& files, std::optional<Tokenizer> tokenizer) {
    auto corpus = read_corpus(settings_.source, files, settings_.text);
    if (!corpus) return corpus.error();
    report("select");
    if (settings_.max_document_bytes > 0) cut_long_documents(corpus->documents, settings_.max_document_bytes);
    auto selection = select_documents(corpus->documents, settings_.selection);
    if (!selection) return Error{selection.error().code, settings_.source.string(), selection.error().text};
    card_.documents_read = static_cast<std::int64_t>(corpus->documents.size());
    card_.documents_empty = selection->empty;
    card_.documents_duplicate = selection->duplicates;
    card_.documents_unused = selection->unused;
    card_.replaced_bytes = corpus->replaced_bytes;

    report("tokenizer");
    if (!tokenizer) {
      auto trained = train_on(selection->train, settings_);
      if (!trained) return trained.error();
      tokenizer = std::move(trained).value();
    }
    card_.tokenizer_sha256 = tokenizer->digest();
    card_.vocab_size = tokenizer->vocab_size();
    const auto table = ByteTable::build(tokenizer->pieces(), tokenizer_name());
    if (!table) return table.error();
    return encode_and_write(*selection, *tokenizer, *table);
  }

  Result<void> encode_and_write(const Selection& selection, const Tokenizer& tokenizer, const ByteTable& table) {
    const auto total = static_cast<std::int64_t>(selection.validation.size() + selection.train.size());
    std::int64_t before = 0;
    const auto encode = [&](const std::vector<const Document*>& documents) {
      return encode_documents(documents, tokenizer, table, settings_.threads,
                              [&](std::int64_t done) { report("encode", before + done, total); });
    };
    const auto validation = encode(selection.validation);
    if (!validation) return validation.error();
    before = static_cast<std::int64_t>(selection.validation.size());
    const auto train = encode(selection.train);
    if (!train) return train.error();

    DigestSet seen;
    SplitContent validation_content = join(selection.validation, *validation, seen, card_);
    SplitContent train_content = join(selection.train, *train, seen, card_);
    if (validation_content.tokens.empty() || train_content.tokens.empty()) {
      return Error{Code::argument, settings_.source.string(),
                   fmt::format("no {} document is left after normalisation; give more text",
                               train_content.tokens.empty() ? "training" : "validation")};
    }
    report("write");
    if (auto begun = begin_output(output_); !begun) return begun;
    if (auto written = write_atomically(output_ / kTokenizerFile, tokenizer.model_bytes()); !written) return written;
    if (auto done = write_split(output_, "train", settings_.shard_tokens, train_content); !done) return done;
    if (auto done = write_split(output_, "val", settings_.shard_tokens, validation_content); !done) return done;
    card_.train = std::move(train_content.record);
    card_.validation = std::move(validation_content.record);
    return finish_output(output_, card_);
  }

  [[nodiscard]] std::string tokenizer_name() const {
    return settings_.tokenizer_model.empty() ? std::string("the tokenizer trained on this text")
                                             : settings_.tokenizer_model.string();
  }

  const PrepareSettings& settings_;
  const fs::path& output_;
  Card card_;
};

}  // namespace

Result<PrepareResult> prepare(const PrepareSettings& settings, const fs::path& output) {
  return Run(settings, output)();
}

}  // namespace caddie::data
