// Numbers of JSON compared without losing digits. Any thread.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>

namespace caddie::manifest {

// The value as int64 when it is a whole number in range: 3, 3.0, 3e2.
std::optional<std::int64_t> whole_number(const nlohmann::json& value);

// <0, 0, >0. Both are numbers.
int compare_numbers(const nlohmann::json& a, const nlohmann::json& b);

// Whether value is a multiple of step (> 0), exactly for integers and to 1e-9 of a step's count for others.
bool is_multiple(const nlohmann::json& value, const nlohmann::json& step);

}  // namespace caddie::manifest
