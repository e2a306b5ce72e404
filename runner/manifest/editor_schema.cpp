// The JSON Schema of manifest files for editors: manifest_schema of resolve.hpp.
#include <string>
#include <utility>

#include "runner/manifest/entries.hpp"
#include "runner/manifest/host_schema.hpp"
#include "runner/manifest/resolve.hpp"
#include "runner/manifest/sections.hpp"

namespace caddie::manifest {
namespace {

constexpr const char* kSecondsPattern = "^[0-9]+(\\.[0-9]+)? *(us|ms|s|sec|min|h|d)?$";
constexpr const char* kBytesPattern = "^[0-9]+(\\.[0-9]+)? *(B|kB|KB|MB|GB|KiB|MiB|GiB|Ki|Mi|Gi)?$";

// Adds a type to "type".
void also(Json& schema, const char* type) {
  Json types = schema.at("type").is_array() ? schema.at("type") : Json::array({schema.at("type")});
  for (const Json& known : types) {
    if (known == type) return;
  }
  types.push_back(type);
  schema["type"] = std::move(types);
}

void allow_unit(Json& schema) {
  const std::string unit = schema.value("unit", "");
  schema.erase("unit");
  if (!schema.contains("type") || (unit != "seconds" && unit != "bytes")) return;
  also(schema, "string");
  schema["pattern"] = unit == "seconds" ? kSecondsPattern : kBytesPattern;
}

// Our schema as plain draft-07. A value that `merges` may be null (which deletes) and leave keys to a parent; what
// stands inside a list does not merge.
Json exported(const Json& schema, bool merges) {
  Json out = schema;
  allow_unit(out);
  if (merges) {
    out.erase("required");
    if (out.contains("type")) also(out, "null");
    if (out.contains("enum")) out["enum"].push_back(nullptr);
  }
  if (out.contains("properties")) {
    for (auto& [key, property] : out["properties"].items()) property = exported(property, merges);
    if (!out.contains("additionalProperties")) out["additionalProperties"] = false;
  }
  if (out.contains("additionalProperties") && out["additionalProperties"].is_object()) {
    out["additionalProperties"] = exported(out["additionalProperties"], merges);
  }
  if (out.contains("items")) out["items"] = exported(out["items"], false);
  for (const char* keyword : {"oneOf", "anyOf"}) {
    if (!out.contains(keyword)) continue;
    Json forms = Json::array();
    for (const Json& form : out[keyword]) forms.push_back(exported(form, merges));
    out.erase(keyword);
    out["allOf"].push_back({{"anyOf", std::move(forms)}});
  }
  return out;
}

// An entry: the keys of the plugin that it names, or any when it leaves "use" to a parent.
Json entry(const Section& section, const Catalogue& catalogue) {
  Json out = exported(entry_schema(section.name), true);
  out.erase("additionalProperties");
  out.erase("default");
  const std::vector<std::string> ids = catalogue.ids(section.interface);
  Json choices = ids;
  choices.push_back(nullptr);
  out["properties"]["use"]["enum"] = std::move(choices);
  for (const std::string& id : ids) {
    const PluginSchema* plugin = catalogue.find(section.interface, id);
    if (plugin == nullptr || !check_plugin_schema(plugin->schema).empty()) continue;
    Json then = exported(compose_entry_schema(section.name, plugin), true);
    then.erase("default");
    out["allOf"].push_back(
        {{"if", {{"required", {"use"}}, {"properties", {{"use", {{"const", id}}}}}}}, {"then", std::move(then)}});
  }
  return out;
}

}  // namespace

Json manifest_schema(const Catalogue& catalogue) {
  Json schema = host_schema();
  Json parts = Json::object();
  for (const auto& [key, property] : schema.at("properties").items()) {
    const Section* section = find_section(key);
    if (section == nullptr) {
      parts[key] = exported(property, true);
    } else if (section->keyed) {
      parts[key] = {{"type", {"object", "null"}},
                    {"description", property.at("description")},
                    {"additionalProperties", entry(*section, catalogue)}};
    } else {
      parts[key] = entry(*section, catalogue);
    }
  }
  parts["$schema"] = {{"type", "string"}};
  parts["extends"] = {{"type", {"string", "array"}},
                      {"items", {{"type", "string"}}},
                      {"description", "Parents, relative to this file, merged left to right; null deletes."}};
  schema.erase("required");
  schema["properties"] = std::move(parts);
  schema["additionalProperties"] = false;
  return schema;
}

}  // namespace caddie::manifest
