#include "runner/manifest/json_scanner.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <utility>

namespace caddie::manifest {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

// Length of the valid UTF-8 sequence at `at`, or 0.
std::size_t sequence_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) -> std::uint32_t {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const auto tail = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  const std::uint32_t lead = byte(at);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return tail(at + 1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    if (!tail(at + 1) || !tail(at + 2)) return 0;
    if (lead == 0xE0 && byte(at + 1) < 0xA0) return 0;
    if (lead == 0xED && byte(at + 1) > 0x9F) return 0;
    return 3;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    if (!tail(at + 1) || !tail(at + 2) || !tail(at + 3)) return 0;
    if (lead == 0xF0 && byte(at + 1) < 0x90) return 0;
    if (lead == 0xF4 && byte(at + 1) > 0x8F) return 0;
    return 4;
  }
  return 0;
}

void append_utf8(std::uint32_t code, std::string& out) {
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(static_cast<unsigned char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | (code >> 6));
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | (code >> 12));
    put(0x80 | ((code >> 6) & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | (code >> 18));
    put(0x80 | ((code >> 12) & 0x3F));
    put(0x80 | ((code >> 6) & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

}  // namespace

bool is_utf8(std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t length = sequence_length(bytes, at);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

Scanner::Scanner(std::string_view text) : text_(text) {
  if (text_.substr(0, 3) == "\xEF\xBB\xBF") at_ = 3;
}

bool Scanner::fail(Mark mark, std::string message) {
  if (!failure_) failure_ = Failure{mark, std::move(message)};
  return false;
}

void Scanner::advance() {
  if (at_end()) return;
  if (text_[at_] == '\n') {
    ++mark_.line;
    mark_.column = 1;
    ++at_;
    return;
  }
  const std::size_t length = sequence_length(text_, at_);
  at_ += length == 0 ? 1 : length;
  ++mark_.column;
}

bool Scanner::take(char wanted) {
  if (at_end() || text_[at_] != wanted) return false;
  advance();
  return true;
}

bool Scanner::take_word(std::string_view word) {
  if (text_.substr(at_, word.size()) != word) return false;
  if (at_ + word.size() < text_.size() && is_word(text_[at_ + word.size()])) return false;
  for (std::size_t i = 0; i < word.size(); ++i) advance();
  return true;
}

bool Scanner::skip_blanks() {
  while (!at_end()) {
    const char c = peek();
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      advance();
    } else if (c == '/') {
      if (!skip_comment()) return false;
    } else {
      break;
    }
  }
  return true;
}

bool Scanner::skip_comment() {
  const Mark start = mark_;
  advance();
  if (take('/')) {
    while (!at_end() && peek() != '\n') advance();
    return true;
  }
  if (!take('*')) return fail(start, "a single '/' is not JSON; comments are // or /* */");
  while (!at_end()) {
    if (take('*')) {
      if (take('/')) return true;
    } else {
      advance();
    }
  }
  return fail(start, "this comment does not end; close it with */");
}

bool Scanner::read_string(std::string& out) {
  const Mark start = mark_;
  advance();
  while (!at_end()) {
    const auto byte = static_cast<unsigned char>(peek());
    if (byte == '"') {
      advance();
      return true;
    }
    if (byte == '\n') break;
    if (byte == '\\') {
      if (!read_escape(out)) return false;
    } else if (byte < 0x20) {
      return fail(mark_,
                  fmt::format("a string holds the control character 0x{:02x}; write it as \\u{:04x}", byte, byte));
    } else if (!read_utf8(out)) {
      return false;
    }
  }
  return fail(start, "this string does not end on its line; close it with \" (a line break is written \\n)");
}

bool Scanner::read_utf8(std::string& out) {
  const std::size_t length = sequence_length(text_, at_);
  if (length == 0) {
    return fail(mark_, fmt::format("the byte 0x{:02x} is not UTF-8; save the file as UTF-8",
                                   static_cast<unsigned>(static_cast<unsigned char>(peek()))));
  }
  out.append(text_.substr(at_, length));
  advance();
  return true;
}

bool Scanner::read_escape(std::string& out) {
  const Mark start = mark_;
  advance();
  const char kind = peek();
  static constexpr std::string_view kNames = "\"\\/bfnrt";
  static constexpr std::string_view kValues = "\"\\/\b\f\n\r\t";
  if (kind == 'u' && !at_end()) {
    advance();
    return read_unicode_escape(start, out);
  }
  const std::size_t which = at_end() ? std::string_view::npos : kNames.find(kind);
  if (which == std::string_view::npos) {
    return fail(start,
                R"(unknown escape in a string; known are \" \\ \/ \b \f \n \r \t \uXXXX (write \\ for a backslash))");
  }
  out += kValues[which];
  advance();
  return true;
}

bool Scanner::read_unicode_escape(Mark start, std::string& out) {
  std::uint32_t code = 0;
  if (!read_hex(start, code)) return false;
  if (code >= 0xD800 && code <= 0xDBFF) {
    std::uint32_t low = 0;
    if (!take('\\') || !take('u')) return fail(start, "half of a surrogate pair; write both halves");
    if (!read_hex(start, low)) return false;
    if (low < 0xDC00 || low > 0xDFFF) return fail(start, "half of a surrogate pair; write both halves");
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  } else if (code >= 0xDC00 && code <= 0xDFFF) {
    return fail(start, "half of a surrogate pair; write both halves");
  }
  if (code == 0) return fail(start, "strings must not hold NUL (\\u0000); leave it out");
  append_utf8(code, out);
  return true;
}

bool Scanner::read_hex(Mark start, std::uint32_t& out) {
  out = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = peek();
    std::uint32_t digit = 0;
    if (is_digit(c)) {
      digit = static_cast<std::uint32_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<std::uint32_t>(c - 'a') + 10;
    } else if (c >= 'A' && c <= 'F') {
      digit = static_cast<std::uint32_t>(c - 'A') + 10;
    } else {
      return fail(start, "\\u needs four hexadecimal digits");
    }
    out = out * 16 + digit;
    advance();
  }
  return true;
}

void Scanner::take_digits() {
  while (is_digit(peek())) advance();
}

bool Scanner::read_number(nlohmann::json& out) {
  const Mark start = mark_;
  const std::size_t from = at_;
  bool whole = true;
  take('-');
  if (!is_digit(peek())) return fail(start, "a number needs a digit here");
  if (take('0')) {
    if (is_digit(peek())) return fail(start, "a number must not begin with 0; remove the leading zeros");
  } else {
    take_digits();
  }
  if (take('.')) {
    whole = false;
    if (!is_digit(peek())) return fail(start, "a number needs a digit after its point");
    take_digits();
  }
  if (peek() == 'e' || peek() == 'E') {
    whole = false;
    advance();
    if (peek() == '+' || peek() == '-') advance();
    if (!is_digit(peek())) return fail(start, "a number needs a digit in its exponent");
    take_digits();
  }
  const std::string_view digits = text_.substr(from, at_ - from);
  if (is_word(peek()) || peek() == '.') {
    return fail(start, fmt::format("\"{}\" is followed by {}; a number with a unit is a string: \"600s\"",
                                   digits.substr(0, 40), describe_next()));
  }
  if (whole) {
    std::int64_t integer = 0;
    if (std::from_chars(digits.data(), digits.data() + digits.size(), integer).ec == std::errc()) {
      out = integer;
      return true;
    }
  }
  double real = 0;
  const std::errc error = std::from_chars(digits.data(), digits.data() + digits.size(), real).ec;
  if (error != std::errc() || !std::isfinite(real)) {
    return fail(start, "this number does not fit a 64-bit floating-point value; write a smaller one");
  }
  out = real;
  return true;
}

std::string Scanner::describe_next() const {
  if (at_end()) return "the end of the file";
  const auto byte = static_cast<unsigned char>(text_[at_]);
  const std::size_t length = sequence_length(text_, at_);
  if (length == 0 || byte < 0x20 || byte == 0x7F) return fmt::format("the byte 0x{:02x}", byte);
  return fmt::format("'{}'", text_.substr(at_, length));
}

}  // namespace caddie::manifest
