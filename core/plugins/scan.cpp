// Registry::scan: from folders to descriptions.
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>

#include "core/plugins/description.hpp"
#include "core/plugins/registry.hpp"
#include "core/plugins/scan_cache.hpp"
#include "core/plugins/scanner.hpp"

namespace caddie::plugins {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t kFilesOfOneChild = 256;

// A plugin file on its way through the scan.
struct File {
  fs::path path;
  std::string digest;
  std::optional<std::vector<Description>> plugins;  // once they are known
  std::string refusal;                              // why it is not used
};

class Scan {
 public:
  explicit Scan(const ScanOptions& options) : options_(options), cache_(options.cache_file) {}

  void run(std::vector<Description>& plugins, std::vector<Skipped>& skipped) {
    for (const fs::path& folder : options_.folders) list_folder(folder);
    describe_unknown();
    for (File& file : files_) register_file(file, plugins);
    if (auto saved = cache_.save(); !saved)
      skip(options_.cache_file, "the plugin cache could not be written: " + saved.error().text);
    skipped = std::move(skipped_);
  }

 private:
  void skip(const fs::path& path, std::string reason) { skipped_.push_back({path, std::move(reason)}); }

  void list_folder(const fs::path& folder) {
    struct stat info {};
    if (!folder.is_absolute())
      return skip(folder, "is not an absolute path; plugins are never searched for in the working folder");
    if (::stat(folder.c_str(), &info) != 0)
      return skip(folder, fmt::format("cannot be searched: {}", std::strerror(errno)));
    if (!S_ISDIR(info.st_mode)) return skip(folder, "is not a folder");
    if ((info.st_mode & S_IWOTH) != 0) {
      return skip(folder, "everybody may write to this folder, so its plugins are not used; chmod o-w it");
    }
    std::error_code code;
    std::vector<fs::path> paths;
    for (fs::directory_iterator entry(folder, code), end; !code && entry != end; entry.increment(code)) {
      if (entry->path().extension() == ".so") paths.push_back(entry->path());
    }
    if (code) skip(folder, fmt::format("cannot be searched: {}", code.message()));
    std::ranges::sort(paths);
    for (const fs::path& path : paths) add_file(path);
  }

  void add_file(const fs::path& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return skip(path, fmt::format("cannot be read: {}", std::strerror(errno)));
    if (!S_ISREG(info.st_mode)) return skip(path, "is not a regular file");
    if ((info.st_mode & S_IWOTH) != 0)
      return skip(path, "everybody may write to this file, so it is not used; chmod o-w it");
    const auto [known, fresh] = inodes_.try_emplace({info.st_dev, info.st_ino}, path);
    if (!fresh) return skip(path, fmt::format("is the same file as {}", known->second.string()));
    auto digest = cache_.digest(path, info);
    if (!digest) return skip(path, digest.error().text);
    files_.push_back({path, std::move(*digest), std::nullopt, ""});
  }

  void describe_unknown() {
    std::vector<File*> unknown;
    std::map<std::string, File*> first_of_digest;
    for (File& file : files_) {
      if (const json* cached = cache_.description(file.digest); cached != nullptr && take_description(file, *cached))
        continue;
      file.refusal.clear();
      if (first_of_digest.try_emplace(file.digest, &file).second) unknown.push_back(&file);
    }
    for (std::size_t begin = 0; begin < unknown.size(); begin += kFilesOfOneChild) {
      const auto count = std::min(kFilesOfOneChild, unknown.size() - begin);
      describe({unknown.begin() + static_cast<std::ptrdiff_t>(begin),
                unknown.begin() + static_cast<std::ptrdiff_t>(begin + count)});
    }
    for (File& file : files_) {  // copies of a file that was described just now
      if (file.plugins || !file.refusal.empty()) continue;
      file.plugins = first_of_digest.at(file.digest)->plugins;
      file.refusal = first_of_digest.at(file.digest)->refusal;
    }
  }

  // One child for all; when it dies at a file, that file gets a child of its own, and another the rest.
  void describe(std::vector<File*> files) {
    if (options_.scanner.empty()) return describe_here(files);
    while (!files.empty()) {
      std::vector<std::string> paths;
      for (const File* file : files) paths.push_back(file->path.string());
      const ScannerAnswer answer = run_scanner(options_.scanner, paths, options_.timeout_seconds);
      for (std::size_t i = 0; i < answer.lines.size(); ++i) take_answer(*files[i], answer.lines[i]);
      if (!answer.started) {
        for (File* file : files) file->refusal = answer.failure;
        return;
      }
      if (answer.lines.size() == files.size()) return;
      File* failed = files[answer.lines.size()];
      if (files.size() == 1) {
        failed->refusal = answer.failure;
      } else {
        describe({failed});
      }
      files.erase(files.begin(), files.begin() + static_cast<std::ptrdiff_t>(answer.lines.size() + 1));
    }
  }

  void describe_here(const std::vector<File*>& files) {
    for (File* file : files) {
      auto described = describe_file(file->path);
      if (described) {
        take_new_description(*file, std::move(*described));
      } else {
        file->refusal = described.error().text;
      }
    }
  }

  void take_answer(File& file, const std::string& line) {
    json answer = json::parse(line, nullptr, false);
    if (answer.is_discarded()) {
      file.refusal = "the scanner's answer for it is not JSON";
    } else if (answer.is_object() && answer.contains("error")) {
      const json& error = answer["error"];
      file.refusal = error.is_string() && !error.get_ref<const std::string&>().empty()
                         ? error.get<std::string>()
                         : "the scanner refuses it without a reason";
    } else {
      take_new_description(file, std::move(answer));
    }
  }

  void take_new_description(File& file, json description) {
    if (take_description(file, description)) cache_.remember(file.digest, std::move(description));
  }

  // false, with the reason in `refusal`, when it is no description of this file.
  static bool take_description(File& file, const json& description) {
    auto plugins = descriptions_from_json(description);
    if (!plugins) {
      file.refusal = plugins.error().text;
    } else if (description["digest"] != file.digest) {
      file.refusal = "changed while it was being scanned; scan again";
    } else {
      file.plugins = std::move(*plugins);
    }
    return file.plugins.has_value();
  }

  void register_file(File& file, std::vector<Description>& registered) {
    if (!file.refusal.empty()) return skip(file.path, file.refusal);
    for (Description& plugin : *file.plugins) {
      plugin.path = file.path;
      if (short_interface(plugin.interface_id).empty()) {
        skip(file.path,
             fmt::format("its plugin \"{}\" offers the interface \"{}\", which this program does not know; a newer "
                         "Caddie may",
                         plugin.id, plugin.interface_id));
        continue;
      }
      const auto [first, fresh] = index_.try_emplace({plugin.interface_id, plugin.id}, registered.size());
      if (!fresh) {
        const Description& other = registered[first->second];
        skip(
            file.path,
            fmt::format("its plugin \"{}\" is left out: {} has the same id and comes first (SHA-256 {} there, {} here)",
                        plugin.id, other.path.string(), other.digest, plugin.digest));
        continue;
      }
      registered.push_back(std::move(plugin));
    }
  }

  const ScanOptions& options_;
  ScanCache cache_;
  std::vector<File> files_;
  std::vector<Skipped> skipped_;
  std::map<std::pair<dev_t, ino_t>, fs::path> inodes_;
  std::map<std::pair<std::string, std::string>, std::size_t> index_;  // interface and id -> place among the registered
};

}  // namespace

Registry Registry::scan(const ScanOptions& options) {
  Registry registry;
  Scan(options).run(registry.plugins_, registry.skipped_);
  return registry;
}

}  // namespace caddie::plugins
