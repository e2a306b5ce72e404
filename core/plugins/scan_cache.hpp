// What earlier scans learned: descriptions by content hash, and the hash of files that have not changed since.
// Whatever is wrong with the cache file, the answer is an empty cache. A cache belongs to one thread.
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "core/base/result.hpp"

namespace caddie::plugins {

class ScanCache {
 public:
  // An empty path: nothing is kept.
  explicit ScanCache(std::filesystem::path file);

  // SHA-256 of a file. Read again when size, inode or times differ from those seen, or are too fresh to tell.
  Result<std::string> digest(const std::filesystem::path& path, const struct stat& info);

  // nullptr when unknown. {"digest", "build_info", "plugins"}, not checked any further.
  [[nodiscard]] const nlohmann::json* description(const std::string& digest) const;
  void remember(const std::string& digest, nlohmann::json description);

  // Writes what changed, atomically.
  Result<void> save();

 private:
  void read();

  std::filesystem::path file_;
  nlohmann::json stamps_ = nlohmann::json::object();        // path -> {"stamp", "digest"}
  nlohmann::json descriptions_ = nlohmann::json::object();  // digest -> description
  bool changed_ = false;
};

}  // namespace caddie::plugins
