#include "core/data/encode.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>

namespace caddie::data {
namespace {

Result<EncodedDocument> encode_one(const Document& document, const Tokenizer& tokenizer, const ByteTable& table) {
  EncodedDocument encoded;
  encoded.tokens.push_back(tokenizer.bos());
  const auto failed = [&](std::string text) { return Error{Code::format, document.id, std::move(text)}; };
  if (auto done = tokenizer.encode(document.text, encoded.tokens); !done) return failed(done.error().text);
  auto decoded = tokenizer.decode(encoded.tokens);
  if (!decoded) return failed(decoded.error().text);
  encoded.text_bytes = static_cast<std::int64_t>(decoded->size());
  const std::int64_t counted = sum_target_bytes(encoded.tokens, table);
  if (counted != encoded.text_bytes) {
    return failed(fmt::format("its tokens count {} bytes but decode to {}; bits per byte would be wrong with this "
                              "tokenizer: use one with byte fallback that removes extra white space",
                              counted, encoded.text_bytes));
  }
  return encoded;
}

}  // namespace

Result<std::vector<EncodedDocument>> encode_documents(std::span<const Document* const> documents,
                                                      const Tokenizer& tokenizer, const ByteTable& table,
                                                      unsigned threads,
                                                      const std::function<void(std::int64_t)>& report) {
  constexpr std::size_t block = 64;
  std::vector<EncodedDocument> encoded(documents.size());
  std::vector<std::optional<Error>> errors(documents.size() / block + 1);  // the first of each block
  std::atomic<std::size_t> next{0};
  std::atomic<std::size_t> done{0};
  const auto work = [&](bool reports) {
    for (;;) {
      const std::size_t begin = next.fetch_add(block);
      if (begin >= documents.size()) return;
      const std::size_t end = std::min(begin + block, documents.size());
      for (std::size_t i = begin; i < end; ++i) {
        auto one = encode_one(*documents[i], tokenizer, table);
        if (!one) {
          // Blocks before this one are already taken, so the first error in order is still found.
          errors[begin / block] = one.error();
          next.store(documents.size());
          break;
        }
        encoded[i] = std::move(one).value();
      }
      const std::size_t now = done.fetch_add(end - begin) + (end - begin);
      if (reports && report) report(static_cast<std::int64_t>(now));
    }
  };
  const unsigned available = std::max(1U, std::thread::hardware_concurrency());
  const unsigned count = std::min<unsigned>(threads == 0 ? available : threads, 64);
  {
    std::vector<std::jthread> workers;
    for (unsigned i = 1; i < count; ++i) workers.emplace_back(work, false);
    work(true);
  }
  for (const auto& error : errors) {
    if (error) return *error;
  }
  return encoded;
}

}  // namespace caddie::data
