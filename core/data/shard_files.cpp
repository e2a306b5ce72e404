#include "core/data/shard_files.hpp"

#include <algorithm>

#include "core/base/text.hpp"

namespace caddie::data {
namespace {

bool is_byte_sidecar(const std::filesystem::path& path) {
  return path.filename().string().find("_bytes_") != std::string::npos;
}

Result<void> add_matches(const std::filesystem::path& pattern, std::vector<std::filesystem::path>& found) {
  const std::filesystem::path folder = pattern.has_parent_path() ? pattern.parent_path() : ".";
  const std::string name_pattern = pattern.filename().string();
  std::error_code code;
  std::filesystem::directory_iterator entries(folder, code);
  if (code) return Error{Code::io, folder.string(), "cannot list the folder of shards: " + code.message()};
  const std::size_t before = found.size();
  for (const std::filesystem::directory_iterator end; entries != end; entries.increment(code)) {
    if (code) return Error{Code::io, folder.string(), "cannot list the folder of shards: " + code.message()};
    const std::filesystem::path name = entries->path().filename();
    if (is_byte_sidecar(name) || !matches_glob(name_pattern, name.string())) continue;
    std::error_code ignored;
    if (!entries->is_regular_file(ignored)) continue;
    found.push_back(pattern.has_parent_path() ? folder / name : name);
  }
  if (found.size() == before) {
    return Error{Code::io, pattern.string(), "no file matches this pattern of shards; check the folder and the name"};
  }
  return {};
}

}  // namespace

Result<std::vector<std::filesystem::path>> find_shards(std::span<const std::string> patterns) {
  std::vector<std::filesystem::path> found;
  for (const std::string& pattern : patterns) {
    const std::filesystem::path path = pattern;
    if (path.filename().string().find_first_of("*?") != std::string::npos) {
      if (auto added = add_matches(path, found); !added) return added.error();
      continue;
    }
    if (is_byte_sidecar(path)) {
      return Error{Code::argument, pattern, "is a byte sidecar, which holds byte counts and not tokens; name the "
                                            "token shard beside it"};
    }
    std::error_code code;
    if (!std::filesystem::is_regular_file(path, code)) {
      return Error{Code::io, pattern, code ? "cannot read the shard: " + code.message() : "is not a regular file"};
    }
    found.push_back(path);
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

}  // namespace caddie::data
