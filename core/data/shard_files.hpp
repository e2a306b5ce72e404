// Which shard files a pattern names. Any thread.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "core/base/result.hpp"

namespace caddie::data {

// The files that the patterns name, each once, in lexicographic order of their paths. A pattern is a path, or a path
// whose last component has '*' or '?'. Byte sidecars ("_bytes_" in the name), which share the prefix of validation
// shards, are left out of a pattern's matches and are an error when named directly. A pattern without a match and a
// path without a file are errors.
Result<std::vector<std::filesystem::path>> find_shards(std::span<const std::string> patterns);

}  // namespace caddie::data
