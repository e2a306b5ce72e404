// The plugin entries of a manifest, checked against the schemas of their plugins. One thread at a time.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "runner/manifest/catalogue.hpp"
#include "runner/manifest/manifest.hpp"
#include "runner/manifest/schema.hpp"

namespace caddie::manifest {

// Validates every entry (host keys and plugin keys together, so that a misspelt key is compared with all of them) and
// fills defaults into `document`. Returns the entries in the order in which they act; those with issues are left out,
// except that an entry of a plugin that is not installed stays, its config as written. `layer_count` is none when the
// model's is not valid; then layers are not expanded.
std::vector<PluginEntry> check_entries(Document& document, const Catalogue& catalogue, std::optional<int> layer_count,
                                       Findings& findings);

// Writes each entry's rank into "order" of the sections where order matters, so that a resolved manifest, whose keys
// are sorted, says the order of execution by itself.
void write_ranks(Document& document, const std::vector<PluginEntry>& entries);

// Host keys of the section and keys of the plugin as one object schema; without a plugin other keys are let through.
Json compose_entry_schema(std::string_view section, const PluginSchema* plugin);

}  // namespace caddie::manifest
