#include "core/data/utf8.hpp"

namespace caddie::data {
namespace {

bool is_continuation(unsigned char byte) { return (byte & 0xC0) == 0x80; }

// Length of the valid sequence at `at`, or 0.
std::size_t sequence_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const std::size_t left = text.size() - at;
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4) return 0;
  const std::size_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (left < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if (!is_continuation(byte(i))) return 0;
  }
  const unsigned char second = byte(1);
  if (first == 0xE0 && second < 0xA0) return 0;  // overlong
  if (first == 0xED && second > 0x9F) return 0;  // surrogate
  if (first == 0xF0 && second < 0x90) return 0;  // overlong
  if (first == 0xF4 && second > 0x8F) return 0;  // above U+10FFFF
  return length;
}

}  // namespace

std::optional<std::size_t> find_invalid_utf8(std::string_view text, std::size_t from) {
  for (std::size_t at = from; at < text.size();) {
    const std::size_t length = sequence_length(text, at);
    if (length == 0) return at;
    at += length;
  }
  return std::nullopt;
}

std::int64_t replace_invalid_utf8(std::string& text) {
  std::optional<std::size_t> bad = find_invalid_utf8(text);
  if (!bad) return 0;
  std::string fixed;
  fixed.reserve(text.size() + 16);
  std::size_t copied = 0;
  std::int64_t replaced = 0;
  for (; bad; bad = find_invalid_utf8(text, copied)) {
    fixed.append(text, copied, *bad - copied).append("\xEF\xBF\xBD");
    copied = *bad + 1;
    ++replaced;
  }
  fixed.append(text, copied);
  text = std::move(fixed);
  return replaced;
}

}  // namespace caddie::data
