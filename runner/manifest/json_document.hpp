// Reads JSON as people write it: // and /* */ comments and one trailing comma in a list or object are fine on input.
// Everything else is strict (RFC 8259), and every key and value keeps its place in the file.
// Any bytes may come in: the answer is a document or issues, never a crash; no allocation follows from a number
// inside the text. Integers that fit are int64, all other numbers are finite doubles; strings are valid UTF-8 without
// NUL. Any thread.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "runner/manifest/issue.hpp"
#include "runner/manifest/trace.hpp"

namespace caddie::manifest {

using Json = nlohmann::json;

inline constexpr std::size_t kMaxDocumentBytes = std::size_t{16} << 20;
inline constexpr std::size_t kMaxDocumentValues = 250'000;
inline constexpr int kMaxNesting = 64;

struct Document {
  Json value;
  Trace trace;
};

struct ParsedDocument {
  Document document;          // complete only when there are no issues
  std::vector<Issue> issues;  // at most one of syntax, and all duplicate keys before it

  [[nodiscard]] bool ok() const { return issues.empty(); }
};

// `label` names the text in places ("manifests/run.json").
ParsedDocument parse_document(std::string_view text, std::string label);

// As above, where every place is `place` instead of a line and column (values of the command line).
ParsedDocument parse_document_at(std::string_view text, const Place& place);

// The strings under a key that holds a string or a list of strings; none when there is no such key.
std::vector<std::string> string_list(const Json& object, const char* key);

}  // namespace caddie::manifest
