// The plugins a command works with: a scanned registry, the manifest's catalogue over it, the host, and the objects that a
// manifest's entries become. One thread; it outlives every object made with it.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/plugins/claims.hpp"
#include "core/plugins/object.hpp"
#include "core/plugins/registry.hpp"
#include "runner/manifest/catalogue.hpp"
#include "runner/manifest/manifest.hpp"

namespace caddie::pipeline {

// The catalogue of a registry's plugins; the registry outlives it.
class RegistryCatalogue final : public manifest::Catalogue {
 public:
  explicit RegistryCatalogue(const plugins::Registry& registry);
  [[nodiscard]] const manifest::PluginSchema* find(std::string_view interface, std::string_view id) const override;
  [[nodiscard]] std::vector<std::string> ids(std::string_view interface) const override;

 private:
  const plugins::Registry* registry_;
  std::map<std::pair<std::string, std::string>, manifest::PluginSchema, std::less<>> schemas_;
};

// Scans the plugin folders: those given, CADDIE_PLUGIN_PATH, the installation's. Files are described by this program in a child
// process (`caddie plugins describe`); answers are cached in the user's cache folder.
plugins::Registry scan_plugins(const std::vector<std::filesystem::path>& folders, const std::filesystem::path& program);

// $XDG_CACHE_HOME/caddie or ~/.cache/caddie; empty when there is neither.
std::filesystem::path cache_folder();

// The objects of one manifest, in its order.
struct Objects {
  std::vector<plugins::Object> blocks, optimizers, averagers, quantizers, compressors, evaluators;
  std::unique_ptr<plugins::Object> schedule, loader, ttt;
};

Result<Objects> create_objects(const manifest::Manifest& manifest, const plugins::Registry& registry, const plugins::Host& host);
// What an entry of "optimizers" or "quantize" takes.
plugins::Claims claims_of(const manifest::PluginEntry& entry);

Result<plugins::Object> create_object(const manifest::PluginEntry& entry, const plugins::Registry& registry, const plugins::Host& host);

}  // namespace caddie::pipeline
