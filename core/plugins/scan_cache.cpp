#include "core/plugins/scan_cache.hpp"

#include <fmt/format.h>

#include <ctime>

#include "core/base/file.hpp"
#include "core/base/hash.hpp"

namespace caddie::plugins {
namespace {

using nlohmann::json;

// Counts the forms of the cache file and the rules of the pre-flight: either changing makes old answers worthless.
constexpr int kFormat = 1;
constexpr std::size_t kMostEntries = 4096;

std::string stamp_of(const struct stat& info) {
  return fmt::format("{} {} {} {}.{} {}.{}", info.st_dev, info.st_ino, info.st_size, info.st_mtim.tv_sec,
                     info.st_mtim.tv_nsec, info.st_ctim.tv_sec, info.st_ctim.tv_nsec);
}

// A file changed this recently could change again without its times moving on.
bool too_fresh(const struct stat& info) { return std::time(nullptr) - info.st_ctim.tv_sec < 2; }

}  // namespace

ScanCache::ScanCache(std::filesystem::path file) : file_(std::move(file)) {
  if (!file_.empty()) read();
}

void ScanCache::read() {
  const auto text = read_text(file_);
  if (!text) return;
  const json cache = json::parse(*text, nullptr, false);
  if (!cache.is_object() || cache.value("format", json()) != kFormat) return;
  const auto files = cache.find("files");
  const auto plugins = cache.find("plugins");
  if (files == cache.end() || plugins == cache.end() || !files->is_object() || !plugins->is_object()) return;
  if (files->size() > kMostEntries || plugins->size() > kMostEntries) return;
  stamps_ = *files;
  descriptions_ = *plugins;
}

Result<std::string> ScanCache::digest(const std::filesystem::path& path, const struct stat& info) {
  const std::string stamp = stamp_of(info);
  if (const auto known = stamps_.find(path.string());
      known != stamps_.end() && known->is_object() && !too_fresh(info)) {
    const auto seen = known->find("stamp");
    const auto digest = known->find("digest");
    if (seen != known->end() && *seen == stamp && digest != known->end() && digest->is_string())
      return digest->get<std::string>();
  }
  const auto bytes = read_bytes(path);
  if (!bytes) return bytes.error();
  const std::string digest = sha256_hex(*bytes);
  if (!too_fresh(info) && !file_.empty()) {
    stamps_[path.string()] = {{"stamp", stamp}, {"digest", digest}};
    changed_ = true;
  }
  return digest;
}

const json* ScanCache::description(const std::string& digest) const {
  const auto found = descriptions_.find(digest);
  return found == descriptions_.end() ? nullptr : &*found;
}

void ScanCache::remember(const std::string& digest, json description) {
  descriptions_[digest] = std::move(description);
  changed_ = true;
}

Result<void> ScanCache::save() {
  if (file_.empty() || !changed_) return {};
  // Old entries of files long gone: start over rather than grow for ever.
  if (stamps_.size() > kMostEntries) stamps_ = json::object();
  if (descriptions_.size() > kMostEntries) descriptions_ = json::object();
  const json cache = {{"format", kFormat}, {"files", stamps_}, {"plugins", descriptions_}};
  changed_ = false;
  return write_atomically(file_, cache.dump(-1, ' ', false, json::error_handler_t::replace) + "\n");
}

}  // namespace caddie::plugins
