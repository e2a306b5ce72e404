// Small helpers for sentences: the nearest known name, numbers as people read them. Any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace caddie {

// The candidate within a third of the word's length in edits (Levenshtein), or empty when none is near.
std::string nearest_name(std::string_view word, std::span<const std::string> candidates);

// "; did you mean \"window\"?" or empty.
std::string did_you_mean(std::string_view word, std::span<const std::string> candidates);

// 15897259 -> "15,897,259".
std::string with_separators(std::int64_t number);

// '*' matches any run of characters, '?' one; everything else itself.
bool matches_glob(std::string_view pattern, std::string_view name);

}  // namespace caddie
