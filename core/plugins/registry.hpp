// Which plugins exist and where. Files are described by a child process with a time-out (a plugin that crashes or hangs there
// harms nobody) and the answer is cached by content hash; a plugin's code runs in this process only once it is used.
// A registry belongs to one thread.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/plugins/library.hpp"

namespace caddie::plugins {

// What is known of a plugin without loading it.
struct Description {
  std::string id;
  std::string interface_id;  // "caddie.block/1.draft"
  std::string version, summary, citation, licence;
  nlohmann::json schema;
  std::uint32_t flags = 0;   // CADDIE_DETERMINISTIC, ...
  std::uint32_t reads = 0;   // CADDIE_READS_*
  std::vector<std::string> needs;
  std::filesystem::path path;
  std::string digest;
  std::string build_info;
};

// A file in a plugin folder that is not used, and why.
struct Skipped {
  std::filesystem::path path;
  std::string reason;
};

struct ScanOptions {
  std::vector<std::filesystem::path> folders;  // earlier folders win when two files have the same id
  std::filesystem::path cache_file;            // empty: no cache
  std::vector<std::string> scanner;            // argv of the child, the paths of one or more files are appended; empty: the
                                               // files are loaded and described in this process, for files that are trusted
  double timeout_seconds = 5;                  // for one file
};

class Registry {
 public:
  // Never fails as a whole: what cannot be used stands in skipped().
  static Registry scan(const ScanOptions& options);

  // nullptr when there is none. "x" finds the loader "x-loader": an id may leave out its interface at the end.
  // `interface` is the short name, "block", "optimizer", ...
  [[nodiscard]] const Description* find(std::string_view interface, std::string_view id) const;
  [[nodiscard]] std::vector<const Description*> all() const;
  [[nodiscard]] std::vector<std::string> ids(std::string_view interface) const;
  [[nodiscard]] const std::vector<Skipped>& skipped() const { return skipped_; }

  // Loads the file; refuses it when its content changed since the scan.
  Result<const Library*> load(const Description& description) const;

 private:
  std::vector<Description> plugins_;
  std::vector<Skipped> skipped_;
};

// Every descriptor of one file as JSON. Loads the file.
Result<nlohmann::json> describe_file(const std::filesystem::path& path);

// The whole of the scanner child: prints describe_file's JSON, or {"error", "code"}, one line for each file, and ends the
// process. Whatever the plugins print themselves is thrown away.
[[noreturn]] void describe_and_exit(const std::vector<std::filesystem::path>& paths);

// "caddie.block/1.draft" -> "block"; empty for an id that is no interface of ours.
std::string short_interface(std::string_view interface_id);
// "block" -> "caddie.block/1.draft".
std::string interface_id(std::string_view short_name);

// The folders to search, first to last: those the manifest names, CADDIE_PLUGIN_PATH (colon-separated), the installation's.
std::vector<std::filesystem::path> plugin_folders(const std::vector<std::filesystem::path>& from_manifest,
                                                  const std::filesystem::path& program);

}  // namespace caddie::plugins
