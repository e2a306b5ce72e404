#include "runner/manifest/units.hpp"

#include <fmt/format.h>

#include <array>
#include <string>

namespace caddie::manifest {
namespace {

// A non-negative decimal number: digits / 10^fraction.
struct Decimal {
  std::int64_t digits = 0;
  std::int64_t scale = 1;
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Takes the number off the front of `text`; false when there is none or it has too many digits.
bool take_decimal(std::string_view& text, Decimal& out) {
  std::size_t at = 0;
  bool any = false;
  bool point = false;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '.' && !point && any) {
      point = true;
      continue;
    }
    if (!is_digit(c)) break;
    any = true;
    if (__builtin_mul_overflow(out.digits, std::int64_t{10}, &out.digits)) return false;
    if (__builtin_add_overflow(out.digits, std::int64_t{c - '0'}, &out.digits)) return false;
    if (point && __builtin_mul_overflow(out.scale, std::int64_t{10}, &out.scale)) return false;
  }
  if (!any || (at > 0 && text[at - 1] == '.')) return false;
  text.remove_prefix(at);
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  return true;
}

struct Unit {
  std::string_view name;
  std::int64_t numerator;
  std::int64_t denominator;
};

constexpr std::array<Unit, 8> kTimes{{{"", 1, 1},
                                      {"us", 1, 1'000'000},
                                      {"ms", 1, 1000},
                                      {"s", 1, 1},
                                      {"sec", 1, 1},
                                      {"min", 60, 1},
                                      {"h", 3600, 1},
                                      {"d", 86400, 1}}};

constexpr std::int64_t kKi = 1024;
constexpr std::array<Unit, 12> kSizes{{{"", 1, 1},
                                       {"B", 1, 1},
                                       {"kB", 1000, 1},
                                       {"KB", 1000, 1},
                                       {"MB", 1'000'000, 1},
                                       {"GB", 1'000'000'000, 1},
                                       {"KiB", kKi, 1},
                                       {"MiB", kKi* kKi, 1},
                                       {"GiB", kKi* kKi* kKi, 1},
                                       {"Ki", kKi, 1},
                                       {"Mi", kKi* kKi, 1},
                                       {"Gi", kKi* kKi* kKi, 1}}};

template <std::size_t N>
const Unit* find_unit(const std::array<Unit, N>& units, std::string_view name) {
  for (const Unit& unit : units) {
    if (unit.name == name) return &unit;
  }
  return nullptr;
}

}  // namespace

Result<double> parse_seconds(std::string_view text) {
  std::string_view rest = text;
  Decimal number;
  const Unit* unit = take_decimal(rest, number) ? find_unit(kTimes, rest) : nullptr;
  if (unit == nullptr) {
    return Error{Code::format, "",
                 fmt::format("\"{}\" is not a time; write \"600s\", \"10min\", \"1.5h\" or \"250ms\"", text)};
  }
  return static_cast<double>(number.digits) * static_cast<double>(unit->numerator) /
         (static_cast<double>(number.scale) * static_cast<double>(unit->denominator));
}

Result<std::int64_t> parse_byte_count(std::string_view text) {
  std::string_view rest = text;
  Decimal number;
  const Unit* unit = take_decimal(rest, number) ? find_unit(kSizes, rest) : nullptr;
  if (unit == nullptr) {
    return Error{
        Code::format, "",
        fmt::format("\"{}\" is not a size; write \"16000000B\", \"15.9MB\" (10^6) or \"512KiB\" (2^10)", text)};
  }
  std::int64_t bytes = 0;
  if (__builtin_mul_overflow(number.digits, unit->numerator, &bytes)) {
    return Error{Code::format, "", fmt::format("\"{}\" is more than 2^63 bytes", text)};
  }
  if (bytes % number.scale != 0) {
    return Error{Code::format, "", fmt::format("\"{}\" is not a whole number of bytes", text)};
  }
  return bytes / number.scale;
}

}  // namespace caddie::manifest
