// What the tests of this folder share: the fixture plugins, folders that vanish, a scan of some fixtures.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/plugins/registry.hpp"
#include "test_paths.hpp"

namespace caddie::plugins::testing {

namespace fs = std::filesystem;

inline fs::path fixture(std::string_view name) { return fs::path(CADDIE_BUILD_DIR "/tests/plugins/fixtures") / (std::string(name) + ".so"); }

// A new folder, removed with everything in it.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string form = (fs::temp_directory_path() / "caddie-test-XXXXXX").string();
    if (::mkdtemp(form.data()) != nullptr) path_ = form;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code code;
    fs::remove_all(path_, code);
  }
  [[nodiscard]] const fs::path& path() const { return path_; }

  // A copy of a fixture, a file of its own.
  fs::path add(std::string_view name, const std::string& as = "") const {
    const fs::path to = path_ / ((as.empty() ? std::string(name) : as) + ".so");
    fs::copy_file(fixture(name), to);
    fs::permissions(to, fs::perms::owner_all);
    return to;
  }

 private:
  fs::path path_;
};

inline ScanOptions scan_options(const fs::path& folder) {
  ScanOptions options;
  options.folders = {folder};
  options.scanner = {CADDIE_BUILD_DIR "/tests/plugins/describe_plugins"};
  options.timeout_seconds = 20;  // far more than is needed: the machine may be busy
  return options;
}

// A registry of just these fixtures, described by the scanner child.
inline Registry scan_fixtures(const TemporaryFolder& folder, const std::vector<std::string>& names) {
  for (const std::string& name : names) folder.add(name);
  return Registry::scan(scan_options(folder.path()));
}

// Why a file was skipped; empty when it was not.
inline std::string reason_for(const Registry& registry, const fs::path& path) {
  for (const Skipped& skipped : registry.skipped()) {
    if (skipped.path == path) return skipped.reason;
  }
  return "";
}

}  // namespace caddie::plugins::testing
