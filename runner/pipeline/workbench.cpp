#include "runner/pipeline/workbench.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "runner/manifest/sections.hpp"

namespace caddie::pipeline {

RegistryCatalogue::RegistryCatalogue(const plugins::Registry& registry) : registry_(&registry) {
  for (const plugins::Description* plugin : registry.all()) {
    const std::string interface = plugins::short_interface(plugin->interface_id);
    schemas_[{interface, plugin->id}] = {plugin->id, interface, plugin->version, plugin->schema};
  }
}

const manifest::PluginSchema* RegistryCatalogue::find(std::string_view interface, std::string_view id) const {
  const plugins::Description* plugin = registry_->find(interface, id);
  if (plugin == nullptr) return nullptr;
  const auto found = schemas_.find(std::pair(std::string(interface), plugin->id));
  return found == schemas_.end() ? nullptr : &found->second;
}

std::vector<std::string> RegistryCatalogue::ids(std::string_view interface) const {
  std::vector<std::string> ids;
  for (const auto& [key, schema] : schemas_) {
    if (key.first == interface) ids.push_back(key.second);
  }
  return ids;
}

std::filesystem::path cache_folder() {
  if (const char* xdg = std::getenv("XDG_CACHE_HOME"); xdg != nullptr && *xdg != '\0') return std::filesystem::path(xdg) / "caddie";
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') return std::filesystem::path(home) / ".cache/caddie";
  return {};
}

plugins::Registry scan_plugins(const std::vector<std::filesystem::path>& folders, const std::filesystem::path& program) {
  plugins::ScanOptions options;
  options.folders = plugins::plugin_folders(folders, program);
  const std::filesystem::path cache = cache_folder();
  if (!cache.empty()) options.cache_file = cache / "plugins.json";
  options.scanner = {program.string(), "plugins", "describe"};
  return plugins::Registry::scan(options);
}

plugins::Claims claims_of(const manifest::PluginEntry& entry) {
  const manifest::Claims& from = entry.host.claims;
  plugins::Claims claims;
  claims.roles = from.roles;
  claims.names = from.names;
  claims.except = from.except;
  if (from.layers) claims.layers = *from.layers;
  claims.min_elements = from.min_elements;
  if (from.max_elements < (std::int64_t{1} << 53)) claims.max_elements = from.max_elements;
  return claims;
}

Result<plugins::Object> create_object(const manifest::PluginEntry& entry, const plugins::Registry& registry, const plugins::Host& host) {
  const manifest::Section* section = manifest::find_section(entry.section);
  return plugins::Object::create(registry, section->interface, entry.use, entry.name, entry.config, host);
}

namespace {

Result<void> create_all(const std::vector<manifest::PluginEntry>& entries, const plugins::Registry& registry,
                        const plugins::Host& host, std::vector<plugins::Object>* objects) {
  for (const manifest::PluginEntry& entry : entries) {
    auto object = create_object(entry, registry, host);
    if (!object) return object.error();
    objects->push_back(std::move(*object));
  }
  return {};
}

Result<void> create_one(const std::optional<manifest::PluginEntry>& entry, const plugins::Registry& registry,
                        const plugins::Host& host, std::unique_ptr<plugins::Object>* place) {
  if (!entry) return {};
  auto object = create_object(*entry, registry, host);
  if (!object) return object.error();
  *place = std::make_unique<plugins::Object>(std::move(*object));
  return {};
}

}  // namespace

Result<Objects> create_objects(const manifest::Manifest& manifest, const plugins::Registry& registry, const plugins::Host& host) {
  Objects objects;
  const std::pair<const std::vector<manifest::PluginEntry>*, std::vector<plugins::Object>*> lists[] = {
      {&manifest.blocks, &objects.blocks},         {&manifest.optimizers, &objects.optimizers},
      {&manifest.averagers, &objects.averagers},   {&manifest.quantize, &objects.quantizers},
      {&manifest.compress, &objects.compressors},  {&manifest.evaluators, &objects.evaluators}};
  for (const auto& [entries, place] : lists) {
    if (auto done = create_all(*entries, registry, host, place); !done) return done.error();
  }
  const std::pair<const std::optional<manifest::PluginEntry>*, std::unique_ptr<plugins::Object>*> singles[] = {
      {&manifest.schedule, &objects.schedule}, {&manifest.loader, &objects.loader}, {&manifest.ttt, &objects.ttt}};
  for (const auto& [entry, place] : singles) {
    if (auto done = create_one(*entry, registry, host, place); !done) return done.error();
  }
  return objects;
}

}  // namespace caddie::pipeline
