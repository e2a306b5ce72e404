#include "core/graph/attributes.hpp"

namespace caddie::graph {

Attributes& Attributes::set(std::string key, AttributeValue value) {
  for (auto& [known, held] : entries_) {
    if (known == key) {
      held = std::move(value);
      return *this;
    }
  }
  entries_.emplace_back(std::move(key), std::move(value));
  return *this;
}

const AttributeValue* Attributes::find(std::string_view key) const {
  for (const auto& [known, held] : entries_) {
    if (known == key) return &held;
  }
  return nullptr;
}

std::int64_t Attributes::integer(std::string_view key, std::int64_t fallback) const {
  const AttributeValue* held = find(key);
  const auto* number = held != nullptr ? std::get_if<std::int64_t>(held) : nullptr;
  return number != nullptr ? *number : fallback;
}

double Attributes::real(std::string_view key, double fallback) const {
  const AttributeValue* held = find(key);
  const auto* number = held != nullptr ? std::get_if<double>(held) : nullptr;
  return number != nullptr ? *number : fallback;
}

std::span<const std::int64_t> Attributes::integers(std::string_view key) const {
  const AttributeValue* held = find(key);
  const auto* list = held != nullptr ? std::get_if<std::vector<std::int64_t>>(held) : nullptr;
  return list != nullptr ? std::span<const std::int64_t>(*list) : std::span<const std::int64_t>();
}

std::span<const double> Attributes::reals(std::string_view key) const {
  const AttributeValue* held = find(key);
  const auto* list = held != nullptr ? std::get_if<std::vector<double>>(held) : nullptr;
  return list != nullptr ? std::span<const double>(*list) : std::span<const double>();
}

}  // namespace caddie::graph
