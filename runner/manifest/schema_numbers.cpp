#include "runner/manifest/schema_numbers.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace caddie::manifest {

std::optional<std::int64_t> whole_number(const nlohmann::json& value) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<std::uint64_t>();
    if (number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return std::nullopt;
    return static_cast<std::int64_t>(number);
  }
  if (value.is_number_integer()) return value.get<std::int64_t>();
  if (!value.is_number_float()) return std::nullopt;
  const double number = value.get<double>();
  constexpr double kLimit = 9223372036854775808.0;  // 2^63
  if (!(number >= -kLimit && number < kLimit) || std::trunc(number) != number) return std::nullopt;
  return static_cast<std::int64_t>(number);
}

int compare_numbers(const nlohmann::json& a, const nlohmann::json& b) {
  const auto whole_a = whole_number(a);
  const auto whole_b = whole_number(b);
  if (whole_a && whole_b) return *whole_a < *whole_b ? -1 : (*whole_a > *whole_b ? 1 : 0);
  const double x = a.get<double>();
  const double y = b.get<double>();
  return x < y ? -1 : (x > y ? 1 : 0);
}

bool is_multiple(const nlohmann::json& value, const nlohmann::json& step) {
  const auto whole_value = whole_number(value);
  const auto whole_step = whole_number(step);
  if (whole_value && whole_step && *whole_step > 0) return *whole_value % *whole_step == 0;
  const double count = value.get<double>() / step.get<double>();
  return std::abs(count - std::round(count)) <= 1e-9 * std::max(1.0, std::abs(count));
}

}  // namespace caddie::manifest
