#include "core/data/dictd.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

#include "core/base/text.hpp"

namespace caddie::data {
namespace {

int digit_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

// Most significant digit first. Ten digits are 60 bits, far more than a file needs.
std::optional<std::uint64_t> parse_base64_number(std::string_view digits) {
  if (digits.empty() || digits.size() > 10) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : digits) {
    const int digit = digit_value(c);
    if (digit < 0) return std::nullopt;
    value = value * 64 + static_cast<std::uint64_t>(digit);
  }
  return value;
}

bool describes_dictionary(std::string_view headword) {
  return headword.starts_with("00-") || headword.starts_with("00database");
}

struct GzipClose {
  void operator()(gzFile file) const { gzclose_r(file); }
};

}  // namespace

Result<std::vector<DictdEntry>> parse_dictd_index(std::string_view index, std::uint64_t data_bytes,
                                                  const std::string& name) {
  std::vector<DictdEntry> entries;
  const auto bad_line = [&](std::size_t line, std::string text) {
    return Error{Code::format, fmt::format("{}:{}", name, line), std::move(text)};
  };
  std::size_t number = 0;
  while (!index.empty()) {
    ++number;
    const std::size_t end = std::min(index.find('\n'), index.size());
    std::string_view line = index.substr(0, end);
    index.remove_prefix(std::min(end + 1, index.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    const std::size_t first = line.find('\t');
    const std::size_t second = first == std::string_view::npos ? first : line.find('\t', first + 1);
    if (second == std::string_view::npos) {
      return bad_line(number, "expected a headword, an offset and a length with tabs between them");
    }
    // Some dictionaries have a fourth column, the headword as printed.
    const std::size_t third = std::min(line.find('\t', second + 1), line.size());
    const auto offset = parse_base64_number(line.substr(first + 1, second - first - 1));
    const auto length = parse_base64_number(line.substr(second + 1, third - second - 1));
    if (!offset || !length) {
      return bad_line(number, "the offset or the length is not a number in dictd's base 64 (A-Z a-z 0-9 + /)");
    }
    if (*offset > data_bytes || *length > data_bytes - *offset) {
      return bad_line(number, fmt::format("the entry at byte {} with {} bytes lies outside the dictionary's {} bytes; "
                                          "the index belongs to another file",
                                          *offset, *length, data_bytes));
    }
    if (*length > 0 && !describes_dictionary(line.substr(0, first))) entries.push_back({*offset, *length});
  }
  std::sort(entries.begin(), entries.end(), [](const DictdEntry& a, const DictdEntry& b) {
    return a.offset != b.offset ? a.offset < b.offset : a.length < b.length;
  });
  entries.erase(std::unique(entries.begin(), entries.end()), entries.end());
  return entries;
}

Result<std::string> read_gzip(const std::filesystem::path& path, std::uint64_t max_bytes) {
  errno = 0;
  const std::unique_ptr<gzFile_s, GzipClose> file(gzopen(path.c_str(), "rbe"));
  if (!file) return Error{Code::io, path.string(), fmt::format("cannot open the file: {}", std::strerror(errno))};
  const auto damaged = [&] {
    int code = Z_OK;
    const char* text = gzerror(file.get(), &code);
    return code == Z_ERRNO ? Error{Code::io, path.string(), fmt::format("cannot read: {}", std::strerror(errno))}
                           : Error{Code::format, path.string(),
                                   fmt::format("the compressed data is damaged or truncated ({}); fetch it again",
                                               text != nullptr && *text != '\0' ? text : "unexpected end of file")};
  };
  gzbuffer(file.get(), 1 << 18);
  std::string content;
  std::vector<char> piece(1 << 20);
  for (;;) {
    const int got = gzread(file.get(), piece.data(), static_cast<unsigned>(piece.size()));
    if (got < 0) return damaged();
    if (gzdirect(file.get()) != 0) return Error{Code::format, path.string(), "is not gzip data"};
    if (content.size() + static_cast<std::size_t>(got) > max_bytes) {
      return Error{Code::unsupported, path.string(),
                   fmt::format("holds more than the {} bytes of text allowed here",
                               with_separators(static_cast<std::int64_t>(max_bytes)))};
    }
    content.append(piece.data(), static_cast<std::size_t>(got));
    if (static_cast<std::size_t>(got) < piece.size()) break;
  }
  int code = Z_OK;
  gzerror(file.get(), &code);
  if (code != Z_OK) return damaged();  // Z_BUF_ERROR: the file ends within the stream
  return content;
}

std::filesystem::path dictd_index_path(const std::filesystem::path& dictionary) {
  std::filesystem::path stem = dictionary;
  if (stem.extension() == ".dz") stem.replace_extension();
  return stem.replace_extension(".index");
}

bool is_dictd_path(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  return name.ends_with(".dict.dz") || name.ends_with(".dict");
}

}  // namespace caddie::data
