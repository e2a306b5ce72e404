#include "core/data/tokenizer.hpp"

#include <fmt/format.h>
#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <mutex>
#include <unordered_map>

#include "core/base/file.hpp"
#include "core/base/hash.hpp"

// Exported by the library, but its header is not installed.
namespace sentencepiece::logging {
void SetMinLogLevel(int level);
}

namespace caddie::data {
namespace {

constexpr int kMaxVocabSize = 65536;  // ids are uint16 in shards

// SentencePiece writes its progress and its failures to stderr; failures come back as statuses as well.
void silence_sentencepiece() {
  static std::once_flag once;
  std::call_once(once, [] { sentencepiece::logging::SetMinLogLevel(4); });
}

// Hands SentencePiece the texts it trains on, one a sentence.
class TextIterator : public sentencepiece::SentenceIterator {
 public:
  explicit TextIterator(std::span<const std::string_view> texts) : texts_(texts) { load(); }
  [[nodiscard]] bool done() const override { return at_ >= texts_.size(); }
  void Next() override {
    ++at_;
    load();
  }
  [[nodiscard]] const std::string& value() const override { return current_; }
  [[nodiscard]] sentencepiece::util::Status status() const override { return {}; }

 private:
  void load() {
    if (!done()) current_ = texts_[at_];
  }
  std::span<const std::string_view> texts_;
  std::size_t at_ = 0;
  std::string current_;
};

PieceKind kind_of(const sentencepiece::SentencePieceProcessor& processor, int id) {
  if (processor.IsControl(id)) return PieceKind::control;
  if (processor.IsUnknown(id)) return PieceKind::unknown;
  if (processor.IsUnused(id)) return PieceKind::unused;
  return processor.IsByte(id) ? PieceKind::byte : PieceKind::normal;
}

}  // namespace

Result<std::string> train_tokenizer(std::span<const std::string_view> texts, const TokenizerTraining& options) {
  silence_sentencepiece();
  if (options.vocab_size < 300 || options.vocab_size > kMaxVocabSize) {
    return Error{Code::argument, "", fmt::format("a vocabulary of {} is not possible: choose between 300 (256 bytes, "
                                                 "4 reserved ids and some characters) and {}",
                                                 options.vocab_size, kMaxVocabSize)};
  }
  std::size_t longest = 0;
  for (const std::string_view text : texts) longest = std::max(longest, text.size());
  if (longest == 0) return Error{Code::argument, "", "there is no text to train a tokenizer on"};
  const std::unordered_map<std::string, std::string> settings = {
      {"model_type", "bpe"},
      {"vocab_size", std::to_string(options.vocab_size)},
      {"character_coverage", fmt::format("{}", options.character_coverage)},
      {"byte_fallback", "true"},
      {"split_digits", "true"},
      {"add_dummy_prefix", "false"},
      {"normalization_rule_name", "nmt_nfkc"},
      {"pad_id", "0"},
      {"bos_id", "1"},
      {"eos_id", "2"},
      {"unk_id", "3"},
      {"num_threads", "1"},
      // Longer texts are dropped silently, so none may be longer.
      {"max_sentence_length", std::to_string(longest + 1)},
      {"minloglevel", "4"},
  };
  TextIterator iterator(texts);
  std::string model;
  const auto status = sentencepiece::SentencePieceTrainer::Train(settings, &iterator, &model);
  if (!status.ok()) {
    return Error{Code::argument, "", fmt::format("SentencePiece cannot train a vocabulary of {} on this text: {}; try "
                                                 "another vocabulary size or more text",
                                                 options.vocab_size, status.message())};
  }
  return model;
}

struct Tokenizer::Impl {
  sentencepiece::SentencePieceProcessor processor;
  std::string model;
  std::string digest;
  std::vector<Piece> pieces;
  TokenId bos = 0;
};

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Result<Tokenizer> Tokenizer::load(const std::filesystem::path& path) {
  auto model = read_text(path);
  if (!model) return model.error();
  return from_bytes(std::move(model).value(), path.string());
}

Result<Tokenizer> Tokenizer::from_bytes(std::string model, const std::string& name) {
  silence_sentencepiece();
  auto impl = std::make_unique<Impl>();
  const auto status = impl->processor.LoadFromSerializedProto(model);
  if (!status.ok()) {
    return Error{Code::format, name, fmt::format("is not a SentencePiece model, or is damaged ({})", status.message())};
  }
  const int size = impl->processor.GetPieceSize();
  if (size < 1 || size > kMaxVocabSize) {
    return Error{Code::format, name, fmt::format("has {} pieces; shards hold ids below {}", size, kMaxVocabSize)};
  }
  const int bos = impl->processor.bos_id();
  if (bos < 0 || bos >= size) {
    return Error{Code::format, name, "has no begin-of-document piece (bos); documents could not be told apart"};
  }
  impl->bos = static_cast<TokenId>(bos);
  impl->pieces.reserve(static_cast<std::size_t>(size));
  for (int id = 0; id < size; ++id) {
    impl->pieces.push_back({impl->processor.IdToPiece(id), kind_of(impl->processor, id)});
  }
  impl->digest = sha256_hex(model);
  impl->model = std::move(model);
  return Tokenizer(std::move(impl));
}

int Tokenizer::vocab_size() const { return static_cast<int>(impl_->pieces.size()); }
TokenId Tokenizer::bos() const { return impl_->bos; }
const std::vector<Piece>& Tokenizer::pieces() const { return impl_->pieces; }
const std::string& Tokenizer::model_bytes() const { return impl_->model; }
const std::string& Tokenizer::digest() const { return impl_->digest; }

Result<void> Tokenizer::encode(std::string_view text, std::vector<TokenId>& ids) const {
  std::vector<int> wide;
  const auto status = impl_->processor.Encode(text, &wide);
  if (!status.ok()) return Error{Code::internal, "", fmt::format("SentencePiece cannot encode: {}", status.message())};
  ids.reserve(ids.size() + wide.size());
  for (const int id : wide) ids.push_back(static_cast<TokenId>(id));
  return {};
}

Result<std::string> Tokenizer::decode(std::span<const TokenId> ids) const {
  // SentencePiece does not check ids.
  if (auto inside = check_ids(ids, vocab_size(), ""); !inside) return inside.error();
  const std::vector<int> wide(ids.begin(), ids.end());
  std::string text;
  const auto status = impl_->processor.Decode(wide, &text);
  if (!status.ok()) return Error{Code::internal, "", fmt::format("SentencePiece cannot decode: {}", status.message())};
  return text;
}

}  // namespace caddie::data
