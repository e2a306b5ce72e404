#include "core/data/text_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/base/file.hpp"
#include "core/base/hash.hpp"
#include "core/base/text.hpp"
#include "core/data/dictd.hpp"
#include "core/data/utf8.hpp"

namespace caddie::data {
namespace {

namespace fs = std::filesystem;

Error system_error(const fs::path& path, const std::error_code& code) {
  return {Code::io, path.string(), "cannot read: " + code.message()};
}

Result<std::vector<std::string>> list_folder(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code code;
  fs::recursive_directory_iterator entries(folder, code);
  if (code) return system_error(folder, code);
  for (const fs::recursive_directory_iterator end; entries != end; entries.increment(code)) {
    if (code) return system_error(folder, code);
    const bool hidden = entries->path().filename().string().starts_with('.');
    if (hidden && entries->is_directory(code)) entries.disable_recursion_pending();
    if (!hidden && entries->is_regular_file(code)) names.push_back(entries->path().lexically_relative(folder).string());
  }
  if (code) return system_error(folder, code);
  std::sort(names.begin(), names.end());
  return names;
}

Result<SourceFile> describe_file(const fs::path& path, std::string name) {
  auto file = MappedFile::open(path);
  if (!file) return file.error();
  return SourceFile{std::move(name), path, static_cast<std::int64_t>(file->bytes().size()), sha256_hex(file->bytes())};
}

// Makes the text UTF-8 or says where it is not.
Result<void> make_utf8(std::string& text, const fs::path& path, bool replace, Corpus& corpus) {
  if (replace) {
    corpus.replaced_bytes += replace_invalid_utf8(text);
    return {};
  }
  const auto bad = find_invalid_utf8(text);
  if (!bad) return {};
  const bool utf16 = text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF");
  return Error{Code::format, path.string(),
               fmt::format("is not UTF-8 at byte {} (0x{:02x}){}; convert the file, or allow the replacement of such "
                           "bytes (invalid_utf8: replace)",
                           *bad, static_cast<unsigned char>(text[*bad]), utf16 ? ": it looks like UTF-16" : "")};
}

Result<void> read_json_lines(std::string_view text, const SourceFile& file, Corpus& corpus) {
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const auto record = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    const auto bad = [&](const char* sentence) {
      return Error{Code::format, fmt::format("{}:{}", file.path.string(), number), sentence};
    };
    if (record.is_discarded()) return bad("the line is not valid JSON");
    if (!record.is_object()) return bad("the line is not a JSON object with a \"text\"");
    const auto field = record.find("text");
    if (field == record.end() || !field->is_string()) return bad("the record has no \"text\" that is a string");
    corpus.documents.push_back({fmt::format("{}#{}", file.name, number), field->get<std::string>()});
  }
  return {};
}

void add_parts(std::string_view text, const SourceFile& file, Corpus& corpus) {
  const auto parts = split_documents(text);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    corpus.documents.push_back({parts.size() == 1 ? file.name : fmt::format("{}#{}", file.name, i + 1),
                                std::string(parts[i])});
  }
}

Result<void> read_dictionary(const SourceFile& file, const TextOptions& options, Corpus& corpus) {
  auto data = file.path.extension() == ".dz" ? read_gzip(file.path, options.max_source_bytes) : read_text(file.path);
  if (!data) return data.error();
  const fs::path index_path = dictd_index_path(file.path);
  auto index = read_text(index_path);
  if (!index) return index.error();
  const auto entries = parse_dictd_index(*index, data->size(), index_path.string());
  if (!entries) return entries.error();
  for (const DictdEntry& entry : *entries) {
    std::string text = data->substr(entry.offset, entry.length);
    const bool replace = options.invalid_utf8 != InvalidUtf8::error;
    const fs::path place = fmt::format("{} (entry at {})", file.path.string(), entry.offset);
    if (auto fixed = make_utf8(text, place, replace, corpus); !fixed) return fixed;
    corpus.documents.push_back({fmt::format("{}@{}", file.name, entry.offset), std::move(text)});
  }
  return {};
}

Result<void> read_file(const SourceFile& file, bool whole, const TextOptions& options, Corpus& corpus) {
  auto text = read_text(file.path);
  if (!text) return text.error();
  if (text->starts_with("\xEF\xBB\xBF")) text->erase(0, 3);
  const bool replace = options.invalid_utf8 == InvalidUtf8::replace;
  if (auto fixed = make_utf8(*text, file.path, replace, corpus); !fixed) return fixed;
  if (file.path.extension() == ".jsonl") return read_json_lines(*text, file, corpus);
  if (whole) {
    corpus.documents.push_back({file.name, std::move(text).value()});
  } else {
    add_parts(*text, file, corpus);
  }
  return {};
}

}  // namespace

std::vector<std::string_view> split_documents(std::string_view text) {
  std::vector<std::string_view> parts;
  std::optional<std::size_t> begin;  // of the current document
  std::size_t end = 0;               // after its last line with text
  int blank_lines = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t next = std::min(text.find('\n', at), text.size() - 1) + 1;
    const std::string_view line = text.substr(at, next - at);
    if (line.find_first_not_of(" \t\r\n") == std::string_view::npos) {
      ++blank_lines;
    } else {
      if (begin && blank_lines >= 2) {
        parts.push_back(text.substr(*begin, end - *begin));
        begin.reset();
      }
      if (!begin) begin = at;
      end = next;
      blank_lines = 0;
    }
    at = next;
  }
  if (begin) parts.push_back(text.substr(*begin, end - *begin));
  return parts;
}

Result<std::vector<SourceFile>> list_source(const fs::path& source) {
  std::error_code code;
  const auto status = fs::status(source, code);
  if (status.type() == fs::file_type::not_found) {
    const bool standard = source == kDefaultCorpus;
    return Error{Code::io, source.string(),
                 standard ? "the default corpus is not installed: install the Debian package dict-gcide, or name a text "
                            "file, a folder, a .jsonl or a .dict.dz"
                          : "there is no such file or folder"};
  }
  if (code) return system_error(source, code);
  std::vector<SourceFile> files;
  const auto add = [&](const fs::path& path, std::string name) -> Result<void> {
    auto file = describe_file(path, std::move(name));
    if (!file) return file.error();
    files.push_back(std::move(file).value());
    return {};
  };
  if (fs::is_directory(status)) {
    auto names = list_folder(source);
    if (!names) return names.error();
    for (const std::string& name : *names) {
      if (auto added = add(source / name, name); !added) return added.error();
    }
    if (files.empty()) return Error{Code::argument, source.string(), "the folder has no text files"};
    return files;
  }
  if (auto added = add(source, source.filename().string()); !added) return added.error();
  if (is_dictd_path(source)) {
    const fs::path index = dictd_index_path(source);
    if (!fs::exists(index, code)) {
      return Error{Code::io, index.string(), "the index of the dictionary is missing; it must lie beside " +
                                                 source.filename().string()};
    }
    if (auto added = add(index, index.filename().string()); !added) return added.error();
  }
  return files;
}

Result<Corpus> read_corpus(const fs::path& source, const std::vector<SourceFile>& files, const TextOptions& options) {
  std::uint64_t total = 0;
  for (const SourceFile& file : files) total += static_cast<std::uint64_t>(file.bytes);
  if (total > options.max_source_bytes) {
    return Error{Code::unsupported, source.string(),
                 fmt::format("has {} bytes, more than the {} allowed; texts are read into memory whole: split the source",
                             with_separators(static_cast<std::int64_t>(total)),
                             with_separators(static_cast<std::int64_t>(options.max_source_bytes)))};
  }
  Corpus corpus;
  std::error_code code;
  if (is_dictd_path(source) && !fs::is_directory(source, code)) {
    if (auto done = read_dictionary(files.front(), options, corpus); !done) return done.error();
  } else {
    const bool whole = fs::is_directory(source, code);
    for (const SourceFile& file : files) {
      if (auto done = read_file(file, whole, options, corpus); !done) return done.error();
    }
  }
  const bool has_text = std::any_of(corpus.documents.begin(), corpus.documents.end(), [](const Document& document) {
    return document.text.find_first_not_of(" \t\r\n") != std::string::npos;
  });
  if (!has_text) return Error{Code::argument, source.string(), "holds no text"};
  return corpus;
}

}  // namespace caddie::data
