#include "core/data/selection.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/hash.hpp"
#include "core/data/documents.hpp"

namespace caddie::data {
namespace {

struct Candidate {
  const Document* document = nullptr;
  Sha256Digest digest{};    // of the text with runs of white space as one space
  std::uint64_t order = 0;  // position in the shuffled corpus
  bool validation = false;
};

std::string collapse_space(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool space = false;
  for (const char c : text) {
    if (c == ' ' || (c >= '\t' && c <= '\r')) {
      space = true;
      continue;
    }
    if (space && !out.empty()) out += ' ';
    space = false;
    out += c;
  }
  return out;
}

// The digest's first 64 bits, most significant first.
std::uint64_t leading_bits(const Sha256Digest& digest) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < 8; ++i) bits = bits << 8 | digest[i];
  return bits;
}

std::uint64_t order_key(const Sha256Digest& digest, std::uint64_t seed) {
  std::string key(reinterpret_cast<const char*>(digest.data()), digest.size());
  for (int i = 0; i < 8; ++i) key += static_cast<char>(seed >> (8 * i) & 0xFF);
  return hash_text(key);
}

std::vector<Candidate> distinct_candidates(const std::vector<Document>& documents, std::uint64_t seed,
                                           Selection& selection) {
  DigestSet seen;
  std::vector<Candidate> candidates;
  candidates.reserve(documents.size());
  for (const Document& document : documents) {
    const std::string text = collapse_space(document.text);
    if (text.empty()) {
      ++selection.empty;
      continue;
    }
    const Sha256Digest digest = sha256(text);
    if (!seen.insert(digest).second) {
      ++selection.duplicates;
      continue;
    }
    candidates.push_back({&document, digest, order_key(digest, seed), false});
  }
  return candidates;
}

void keep_first_bytes(std::vector<Candidate>& candidates, std::int64_t max_bytes, Selection& selection) {
  std::int64_t bytes = 0;
  std::size_t kept = 0;
  while (kept < candidates.size() && bytes < max_bytes) {
    bytes += static_cast<std::int64_t>(candidates[kept].document->text.size());
    ++kept;
  }
  selection.unused = static_cast<std::int64_t>(candidates.size() - kept);
  candidates.resize(kept);
}

void mark_validation(std::vector<Candidate>& candidates, const SelectionOptions& options) {
  std::vector<Candidate*> by_digest;
  for (Candidate& candidate : candidates) by_digest.push_back(&candidate);
  std::sort(by_digest.begin(), by_digest.end(),
            [](const Candidate* a, const Candidate* b) { return a->digest < b->digest; });
  const double limit = options.validation_fraction * 18446744073709551616.0;  // 2^64
  for (std::size_t i = 0; i < by_digest.size(); ++i) {
    by_digest[i]->validation = options.validation_documents > 0
                                   ? static_cast<std::int64_t>(i) < options.validation_documents
                                   : i == 0 || static_cast<double>(leading_bits(by_digest[i]->digest)) < limit;
  }
}

}  // namespace

Result<Selection> select_documents(const std::vector<Document>& documents, const SelectionOptions& options) {
  if (!(options.validation_fraction > 0 && options.validation_fraction < 1) || options.validation_documents < 0) {
    return Error{Code::argument, "", "the share of validation documents must lie between 0 and 1, and their number "
                                     "must not be negative"};
  }
  Selection selection;
  std::vector<Candidate> candidates = distinct_candidates(documents, options.seed, selection);
  if (options.shuffle) {
    std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
      return a.order != b.order ? a.order < b.order : a.digest < b.digest;
    });
  }
  if (options.max_bytes > 0) keep_first_bytes(candidates, options.max_bytes, selection);
  mark_validation(candidates, options);
  for (const Candidate& candidate : candidates) {
    (candidate.validation ? selection.validation : selection.train).push_back(candidate.document);
  }
  if (selection.train.empty() || selection.validation.empty()) {
    return Error{Code::argument, "",
                 fmt::format("the text has {} distinct document{}, which leaves {} for training; give more documents "
                             "(in a text file, two blank lines end one) or cut long ones (max_document_bytes)",
                             candidates.size(), candidates.size() == 1 ? "" : "s",
                             selection.train.empty() ? "none" : std::to_string(selection.train.size()))};
  }
  return selection;
}

void cut_long_documents(std::vector<Document>& documents, std::int64_t max_document_bytes) {
  const auto limit = static_cast<std::size_t>(std::max<std::int64_t>(max_document_bytes, 4));
  std::vector<Document> pieces;
  pieces.reserve(documents.size());
  for (Document& document : documents) {
    if (document.text.size() <= limit) {
      pieces.push_back(std::move(document));
      continue;
    }
    std::string_view rest = document.text;
    for (int part = 1; !rest.empty(); ++part) {
      std::size_t length = rest.size();
      if (length > limit) {
        const std::string_view head = rest.substr(0, limit);
        std::size_t at = head.rfind('\n');
        if (at == std::string_view::npos) at = head.rfind(' ');
        length = at == std::string_view::npos ? limit : at + 1;
        // Not within a character.
        while (length < rest.size() && length > 1 && (static_cast<unsigned char>(rest[length]) & 0xC0) == 0x80) --length;
      }
      pieces.push_back({fmt::format("{}/{}", document.id, part), std::string(rest.substr(0, length))});
      rest.remove_prefix(length);
    }
  }
  documents = std::move(pieces);
}

}  // namespace caddie::data
