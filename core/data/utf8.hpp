// UTF-8 as the Unicode standard defines it: no overlong forms, no surrogates, nothing above U+10FFFF. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace caddie::data {

// The byte offset of the first byte that starts no valid sequence; nothing when the text is valid.
std::optional<std::size_t> find_invalid_utf8(std::string_view text, std::size_t from = 0);

// Puts U+FFFD for each byte that belongs to no valid sequence; returns how many there were.
std::int64_t replace_invalid_utf8(std::string& text);

}  // namespace caddie::data
