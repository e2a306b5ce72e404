#include "core/plugins/config.hpp"

#include <cmath>
#include <cstdint>
#include <optional>

namespace caddie::plugins {
namespace {

using nlohmann::json;

const json* find(const caddie_config* config, const char* key) {
  if (config == nullptr || key == nullptr || !config->values.is_object()) return nullptr;
  const auto found = config->values.find(key);
  return found == config->values.end() ? nullptr : &*found;
}

std::optional<double> as_number(const json& value) {
  return value.is_number() ? std::optional(value.get<double>()) : std::nullopt;
}

// JSON Schema counts 3.0 as an integer.
std::optional<std::int64_t> as_integer(const json& value) {
  if (value.is_number_unsigned() && value.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX))
    return std::nullopt;
  if (value.is_number_integer()) return value.get<std::int64_t>();
  if (!value.is_number_float()) return std::nullopt;
  const double number = value.get<double>();
  if (!(number >= -0x1p63 && number < 0x1p63) || number != std::trunc(number)) return std::nullopt;
  return static_cast<std::int64_t>(number);
}

template <class T, class Convert>
caddie_code scalar(const caddie_config* config, const char* key, T* out, Convert&& convert) noexcept {
  const json* value = find(config, key);
  if (value == nullptr || out == nullptr) return CADDIE_ERROR_ARGUMENT;
  const auto converted = convert(*value);
  if (!converted) return CADDIE_ERROR_ARGUMENT;
  *out = *converted;
  return CADDIE_OK;
}

template <class T, class Convert>
caddie_code list(const caddie_config* config, const char* key, T* out, std::uint64_t capacity, std::uint64_t* count,
                 Convert&& convert) noexcept {
  const json* value = find(config, key);
  if (value == nullptr || count == nullptr || !value->is_array()) return CADDIE_ERROR_ARGUMENT;
  for (const json& entry : *value) {
    if (!convert(entry)) return CADDIE_ERROR_ARGUMENT;
  }
  *count = value->size();
  for (std::uint64_t i = 0; out != nullptr && i < std::min(capacity, *count); ++i) out[i] = *convert((*value)[i]);
  return CADDIE_OK;
}

int32_t has(const caddie_config* config, const char* key) noexcept { return find(config, key) != nullptr ? 1 : 0; }

caddie_code boolean(const caddie_config* config, const char* key, int32_t* out) noexcept {
  return scalar(config, key, out, [](const json& value) -> std::optional<int32_t> {
    if (!value.is_boolean()) return std::nullopt;
    return value.get<bool>() ? 1 : 0;
  });
}

caddie_code integer(const caddie_config* config, const char* key, int64_t* out) noexcept {
  return scalar(config, key, out, as_integer);
}

caddie_code number(const caddie_config* config, const char* key, double* out) noexcept {
  return scalar(config, key, out, as_number);
}

caddie_code text(const caddie_config* config, const char* key, caddie_str* out) noexcept {
  return scalar(config, key, out, [](const json& value) -> std::optional<caddie_str> {
    if (!value.is_string()) return std::nullopt;
    const auto& string = value.get_ref<const std::string&>();
    return caddie_str{string.data(), string.size()};
  });
}

caddie_code integers(const caddie_config* config, const char* key, int64_t* out, uint64_t capacity,
                     uint64_t* count) noexcept {
  return list(config, key, out, capacity, count, as_integer);
}

caddie_code numbers(const caddie_config* config, const char* key, double* out, uint64_t capacity,
                    uint64_t* count) noexcept {
  return list(config, key, out, capacity, count, as_number);
}

caddie_str whole(const caddie_config* config) noexcept {
  return config == nullptr ? caddie_str{"{}", 2} : caddie_str{config->canonical.data(), config->canonical.size()};
}

}  // namespace

caddie_config make_config(const json& values) {
  // Keys are sorted and numbers have their shortest form, so equal configurations have equal texts.
  return {values, values.dump(-1, ' ', false, json::error_handler_t::replace)};
}

const caddie_host_config* config_service() {
  static const caddie_host_config table = {
      sizeof(caddie_host_config), 0, has, boolean, integer, number, text, integers, numbers, whole};
  return &table;
}

}  // namespace caddie::plugins
