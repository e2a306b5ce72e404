// What the manifest needs to know about plugins, without knowing plugins: names and JSON Schemas.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runner/manifest/json_document.hpp"

namespace caddie::manifest {

struct PluginSchema {
  std::string id;         // "gate"
  std::string interface;  // "block", "optimizer", "schedule", "averager", "loader", "quantizer", "compressor", "ttt",
                          // "evaluator"
  std::string version;    // "1.0.0"
  Json schema;            // of the plugin's own keys: an object with properties, defaults inside (schema.hpp)
};

// Implementations are constant while a manifest is resolved; what they return lives as long as they do.
class Catalogue {
 public:
  virtual ~Catalogue() = default;

  // Null when no plugin of that interface has the id.
  [[nodiscard]] virtual const PluginSchema* find(std::string_view interface, std::string_view id) const = 0;

  // All ids of an interface, sorted.
  [[nodiscard]] virtual std::vector<std::string> ids(std::string_view interface) const = 0;
};

}  // namespace caddie::manifest
