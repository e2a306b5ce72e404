// The part of a manifest that Caddie itself owns, as JSON Schema in one place: validation, the typed view, the schema
// for editors and docs/manifest.md all come from it. Constant data; any thread.
#pragma once

#include <string>
#include <string_view>

#include "runner/manifest/json_document.hpp"

namespace caddie::manifest {

// The text, keys in the order in which the reference lists them.
std::string_view host_schema_text();

// Parsed. A section with plugins (sections.hpp) describes the host's keys of one entry: under "additionalProperties"
// when its entries have names, else as the section itself. The plugin's own keys come beside them.
const Json& host_schema();

// The schema of the host's keys of an entry of that section.
const Json& entry_schema(std::string_view section);

// The reference of all host keys as Markdown: a table for each section with key, type, default and meaning.
std::string manifest_reference_markdown();

}  // namespace caddie::manifest
