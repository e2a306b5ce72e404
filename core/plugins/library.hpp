// One plugin file, loaded. Boost.DLL opens it with every symbol resolved and nothing shared; it stays until the process ends.
// load() is for one thread at a time; what it returns is constant.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "caddie/abi.h"
#include "core/base/result.hpp"

namespace caddie::plugins {

struct Library {
  std::filesystem::path path;
  std::string digest;      // SHA-256 of the file, hexadecimal
  std::string build_info;
  const caddie_entry* entry = nullptr;
  const caddie_factory* factory = nullptr;
  std::vector<const caddie_descriptor*> descriptors;  // checked: every mandatory text is there
};

// Pre-flight without running code (an ELF file of this machine that exports caddie_entry_v1 and nothing else), then load, then
// checks of every table. Each refusal has its own sentence. The same file by another path gives the same Library.
Result<const Library*> load_library(const std::filesystem::path& path);

// The pre-flight alone.
Result<void> inspect_library(const std::filesystem::path& path);

}  // namespace caddie::plugins
