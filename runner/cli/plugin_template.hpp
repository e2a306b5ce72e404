// New plugins from the templates of the installation (share/caddie/template, in the source tree sdk/template): files
// with placeholders, `@ID@` and others, and nothing about techniques in here. One thread.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/base/result.hpp"

namespace caddie::cli {

struct NewPlugin {
  std::string interface;         // "block"
  std::string id;                // "my-gate"
  std::filesystem::path folder;  // to be made; must not exist
  bool c = false;                // plain C99 in place of C++
};

// Where an installation keeps what plugins are made from.
struct Installation {
  std::filesystem::path prefix;
  std::filesystem::path share;  // <prefix>/share/caddie
};
// Of the running program; an error that says how to install when there is none.
Result<Installation> find_installation(const std::filesystem::path& program);

// Interfaces with a template, sorted.
std::vector<std::string> template_interfaces(const Installation& installation);

// Makes the folder; the files it holds, relative to it. Refuses ids that are none, and folders that exist.
Result<std::vector<std::string>> make_plugin_folder(const NewPlugin& plugin, const Installation& installation);

}  // namespace caddie::cli
