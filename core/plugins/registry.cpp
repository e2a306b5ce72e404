#include "core/plugins/registry.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "core/base/file.hpp"
#include "core/base/hash.hpp"
#include "core/base/installation.hpp"

namespace caddie::plugins {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 9> kInterfaces{CADDIE_BLOCK,      CADDIE_OPTIMIZER, CADDIE_SCHEDULE,
                                                      CADDIE_AVERAGER,   CADDIE_LOADER,    CADDIE_QUANTIZER,
                                                      CADDIE_COMPRESSOR, CADDIE_EVALUATOR, CADDIE_TTT};

std::string_view name_within(std::string_view id) {
  id.remove_prefix(std::string_view("caddie.").size());
  return id.substr(0, id.find('/'));
}

// The folders of an installed program and of a build tree, as far as they are there.
std::vector<fs::path> installation_folders(const fs::path& program) {
  std::error_code code;
  std::vector<fs::path> folders;
  for (const fs::path& folder : library_folders(program))
    if (fs::is_directory(folder / "plugins", code)) folders.push_back(folder / "plugins");
  return folders;
}

}  // namespace

std::string short_interface(std::string_view id) {
  return std::ranges::find(kInterfaces, id) == kInterfaces.end() ? std::string() : std::string(name_within(id));
}

std::string interface_id(std::string_view short_name) {
  const auto found = std::ranges::find(kInterfaces, short_name, name_within);
  return found == kInterfaces.end() ? std::string() : std::string(*found);
}

std::vector<fs::path> plugin_folders(const std::vector<fs::path>& from_manifest, const fs::path& program) {
  std::vector<fs::path> folders = from_manifest;
  if (const char* variable = std::getenv("CADDIE_PLUGIN_PATH"); variable != nullptr) {
    std::string_view rest = variable;
    while (!rest.empty()) {
      const std::size_t end = rest.find(':');
      if (const std::string_view folder = rest.substr(0, end); !folder.empty()) folders.emplace_back(folder);
      rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    }
  }
  std::ranges::copy(installation_folders(program), std::back_inserter(folders));
  return folders;
}

const Description* Registry::find(std::string_view interface, std::string_view id) const {
  const std::string long_id = std::string(id) + "-" + std::string(interface);
  for (const std::string_view wanted : {id, std::string_view(long_id)}) {
    for (const Description& plugin : plugins_) {
      if (plugin.id == wanted && short_interface(plugin.interface_id) == interface) return &plugin;
    }
  }
  return nullptr;
}

std::vector<const Description*> Registry::all() const {
  std::vector<const Description*> plugins;
  for (const Description& plugin : plugins_) plugins.push_back(&plugin);
  return plugins;
}

std::vector<std::string> Registry::ids(std::string_view interface) const {
  std::vector<std::string> ids;
  for (const Description& plugin : plugins_) {
    if (short_interface(plugin.interface_id) == interface) ids.push_back(plugin.id);
  }
  std::ranges::sort(ids);
  return ids;
}

Result<const Library*> Registry::load(const Description& description) const {
  const auto changed = [&](std::string_view digest, std::string_view remedy) {
    return Error{Code::abi, description.path.string(),
                 fmt::format("its content is not the one that was scanned (SHA-256 {} then, {} now); {}",
                             description.digest, digest, remedy)};
  };
  const auto bytes = read_bytes(description.path);
  if (!bytes) return bytes.error();
  if (const std::string digest = sha256_hex(*bytes); digest != description.digest)
    return changed(digest, "start the program again");
  const auto library = load_library(description.path);
  if (!library) return library.error();
  if ((*library)->digest != description.digest) {
    return changed((*library)->digest, "an older version of the file is loaded already: start the program again");
  }
  return *library;
}

}  // namespace caddie::plugins
