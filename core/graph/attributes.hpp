// Attributes of a node: a few named numbers or lists of numbers. Plain values; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace caddie::graph {

using AttributeValue = std::variant<std::int64_t, std::vector<std::int64_t>, double, std::vector<double>>;

// Ordered by insertion; two lists with the same entries in the same order are equal.
class Attributes {
 public:
  Attributes() = default;

  Attributes& set(std::string key, AttributeValue value);
  [[nodiscard]] const AttributeValue* find(std::string_view key) const;

  // The value under key; the fallback when it is absent or of another type.
  [[nodiscard]] std::int64_t integer(std::string_view key, std::int64_t fallback = 0) const;
  [[nodiscard]] double real(std::string_view key, double fallback = 0) const;
  [[nodiscard]] std::span<const std::int64_t> integers(std::string_view key) const;
  [[nodiscard]] std::span<const double> reals(std::string_view key) const;

  [[nodiscard]] const std::vector<std::pair<std::string, AttributeValue>>& entries() const { return entries_; }
  friend bool operator==(const Attributes&, const Attributes&) = default;

 private:
  std::vector<std::pair<std::string, AttributeValue>> entries_;
};

}  // namespace caddie::graph
