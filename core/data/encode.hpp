// Texts to tokens on several threads. The result does not depend on the number of threads.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "core/base/result.hpp"
#include "core/data/byte_table.hpp"
#include "core/data/text_source.hpp"
#include "core/data/tokenizer.hpp"

namespace caddie::data {

struct EncodedDocument {
  std::vector<TokenId> tokens;  // BOS first
  std::int64_t text_bytes = 0;  // UTF-8 length of the decoded text
};

// Encodes each document and decodes it again: an error unless the bytes counted over its targets are exactly the
// length of the decoded text. `report(done)` is called now and then, on the calling thread. `threads` 0 takes all.
Result<std::vector<EncodedDocument>> encode_documents(std::span<const Document* const> documents,
                                                      const Tokenizer& tokenizer, const ByteTable& table,
                                                      unsigned threads,
                                                      const std::function<void(std::int64_t)>& report);

}  // namespace caddie::data
