#include "core/artifact/parts.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace caddie::artifact {
namespace {

const Part* find(const caddie_parts& parts, std::string_view name) {
  const auto at =
      std::find_if(parts.list.begin(), parts.list.end(), [&](const Part& part) { return part.name == name; });
  return at == parts.list.end() ? nullptr : &*at;
}

caddie_code refuse(caddie_parts* parts, std::string why) {
  if (parts->problem.empty()) parts->problem = std::move(why);
  return CADDIE_ERROR_ARGUMENT;
}

caddie_code put(caddie_parts* parts, const char* name, const void* bytes, std::uint64_t size) {
  if (parts == nullptr || name == nullptr || (bytes == nullptr && size > 0)) return CADDIE_ERROR_ARGUMENT;
  if (!is_part_name(name)) {
    return refuse(parts, fmt::format("\"{:.40}\" is no name for a part; use 1 to 32 of a-z, 0-9, '_' and '-'", name));
  }
  if (find(*parts, name) != nullptr) return refuse(parts, fmt::format("the part \"{}\" was stored twice", name));
  if (size > static_cast<std::uint64_t>(parts->room)) {
    return refuse(parts,
                  fmt::format("the part \"{}\" of {} bytes is larger than a tensor of this size may need", name, size));
  }
  try {
    const auto* from = static_cast<const std::uint8_t*>(bytes);
    parts->list.push_back({name, std::vector<std::uint8_t>(from, from + size)});
  } catch (...) {
    return CADDIE_ERROR_MEMORY;
  }
  parts->room -= static_cast<std::int64_t>(size);
  return CADDIE_OK;
}

caddie_str get(const caddie_parts* parts, const char* name) {
  static const char empty = 0;
  const Part* part = parts == nullptr || name == nullptr ? nullptr : find(*parts, name);
  if (part == nullptr) return {nullptr, 0};
  if (part->bytes.empty()) return {&empty, 0};
  return {reinterpret_cast<const char*>(part->bytes.data()), part->bytes.size()};
}

}  // namespace

bool is_part_name(std::string_view name) {
  const auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-'; };
  return !name.empty() && name.size() <= 32 && std::all_of(name.begin(), name.end(), allowed);
}

std::int64_t max_parts_bytes(std::int64_t elements) { return 16 * elements + 65536; }

const caddie_host_parts* parts_service() {
  static const caddie_host_parts table = {sizeof(caddie_host_parts), 0, put, get};
  return &table;
}

}  // namespace caddie::artifact
