// Documents from outside, read whole into memory. What a document is:
//   a folder       each regular file under it, hidden ones left out, in order of their relative paths; a .jsonl in it
//                  gives its records
//   .jsonl         each line's "text"
//   .dict, .dict.dz  each entry of a dictd dictionary, with the .index file beside it
//   any other file the parts between two or more blank lines; without such a place the file is one document
// The corpus owns its texts. Any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/base/result.hpp"

namespace caddie::data {

// GNU's edition of Webster's dictionary, Debian package dict-gcide: about 40 MB of text.
inline constexpr const char* kDefaultCorpus = "/usr/share/dictd/gcide.dict.dz";

// What to do with bytes that are not UTF-8. automatic: an error, but replaced in dictd dictionaries, which carry stray
// Latin-1 bytes (three of them in gcide).
enum class InvalidUtf8 { automatic, error, replace };

struct Document {
  std::string id;    // where it is from: "shakespeare.txt#12", "gcide.dict.dz@3640064"
  std::string text;  // UTF-8
};

struct SourceFile {
  std::string name;  // relative to the source folder, or the file's own name
  std::filesystem::path path;
  std::int64_t bytes = 0;
  std::string sha256;
};

struct Corpus {
  std::vector<Document> documents;
  std::int64_t replaced_bytes = 0;  // bytes that were not UTF-8 and became U+FFFD
};

struct TextOptions {
  InvalidUtf8 invalid_utf8 = InvalidUtf8::automatic;
  std::uint64_t max_source_bytes = std::uint64_t{8} << 30;  // larger sources are refused
};

// The files that a source consists of, with their digests, in reading order: an address for its content.
Result<std::vector<SourceFile>> list_source(const std::filesystem::path& source);

// Reads the files of list_source. Errors: no document with text, bytes that are not UTF-8 (file and offset), damaged
// gzip, JSON or index.
Result<Corpus> read_corpus(const std::filesystem::path& source, const std::vector<SourceFile>& files,
                           const TextOptions& options);

// The parts of a text between two or more blank lines (lines of spaces and tabs at most), without the blank lines.
std::vector<std::string_view> split_documents(std::string_view text);

}  // namespace caddie::data
