// Which documents are used, on which side of the split, and in which order. Any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/result.hpp"
#include "core/data/text_source.hpp"

namespace caddie::data {

struct SelectionOptions {
  double validation_fraction = 0.01;       // by content hash, so a document keeps its side when the corpus grows
  std::int64_t validation_documents = 0;   // when above 0, in place of the fraction: this many, smallest hashes first
  std::uint64_t seed = 1337;               // of the order
  bool shuffle = true;                     // false keeps the source's order
  std::int64_t max_bytes = 0;              // of raw text, whole documents in the order above; 0 takes all
};

// Pointers into the corpus given, each document once.
struct Selection {
  std::vector<const Document*> train;
  std::vector<const Document*> validation;
  std::int64_t empty = 0;       // without text
  std::int64_t duplicates = 0;  // equal to an earlier document up to white space
  std::int64_t unused = 0;      // beyond max_bytes
};

// Both sides get at least one document; an error when there are too few. No text is on both sides: the side follows
// from the text's hash, white space aside, and not from its place or the seed.
Result<Selection> select_documents(const std::vector<Document>& documents, const SelectionOptions& options);

// Cuts documents longer than `max_document_bytes` after a line, else after a space, else between characters.
void cut_long_documents(std::vector<Document>& documents, std::int64_t max_document_bytes);

}  // namespace caddie::data
