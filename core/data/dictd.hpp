// The dictd format: one gzip file of entries (`name.dict.dz`; also plain `name.dict`) and beside it `name.index`, lines of
// "headword TAB offset TAB length" with numbers in dictd's base 64. Any thread. Source: dictfmt(1), dictzip(1).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

namespace caddie::data {

struct DictdEntry {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  friend bool operator==(const DictdEntry&, const DictdEntry&) = default;
};

// The entries of an index, each place in the data once, in the order of the data. Leaves out the entries about the
// dictionary itself ("00-database-info" and the like). Every place lies within `data_bytes`. Errors name the line.
Result<std::vector<DictdEntry>> parse_dictd_index(std::string_view index, std::uint64_t data_bytes,
                                                  const std::string& name);

// The whole content of a gzip file, at most `max_bytes`. An error when it is damaged, truncated or larger.
Result<std::string> read_gzip(const std::filesystem::path& path, std::uint64_t max_bytes);

// The index that belongs to a .dict or .dict.dz file.
std::filesystem::path dictd_index_path(const std::filesystem::path& dictionary);

// True for names that end in .dict or .dict.dz.
bool is_dictd_path(const std::filesystem::path& path);

}  // namespace caddie::data
