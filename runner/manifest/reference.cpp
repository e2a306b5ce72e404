// The reference of manifests in Markdown: manifest_reference_markdown of host_schema.hpp.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>
#include <vector>

#include "runner/manifest/host_schema.hpp"
#include "runner/manifest/sections.hpp"

namespace caddie::manifest {
namespace {

using Ordered = nlohmann::ordered_json;

std::string words_of(const Json& schema) {
  std::string words = schema.value("description", "");
  for (std::size_t at = 0; (at = words.find('|', at)) != std::string::npos; at += 2) words.replace(at, 1, "\\|");
  return words;
}

std::string type_of(const Json& schema) {
  if (schema.contains("enum")) {
    std::vector<std::string> choices;
    for (const Json& choice : schema.at("enum")) choices.push_back("`" + choice.dump() + "`");
    return fmt::format("{}", fmt::join(choices, " or "));
  }
  if (schema.contains("anyOf")) return "string or list";
  const Json& type = schema.at("type");
  std::vector<std::string> names;
  for (const Json& name : type.is_array() ? type : Json::array({type})) {
    names.push_back(name == "array" ? "list" : name.get<std::string>());
  }
  const std::string unit = schema.value("unit", "");
  return fmt::format("{}{}", fmt::join(names, " or "), unit.empty() ? "" : " (" + unit + ")");
}

std::string limits_of(const Json& schema) {
  std::vector<std::string> limits;
  const auto add = [&](const char* keyword, const char* sign) {
    if (schema.contains(keyword)) limits.push_back(fmt::format("{} {}", sign, schema.at(keyword).dump()));
  };
  add("minimum", "≥");
  add("exclusiveMinimum", ">");
  add("maximum", "≤");
  add("exclusiveMaximum", "<");
  return limits.empty() ? "" : fmt::format(", {}", fmt::join(limits, ", "));
}

// One row for each key, nested keys with their dots; `order` gives the written order.
void add_rows(const Json& schema, const Ordered& order, const std::string& prefix, std::string& out) {
  for (const auto& [key, ordered] : order.items()) {
    const Json& property = schema.at("properties").at(key);
    const std::string path = prefix + key;
    const bool object = property.value("type", Json()) == "object";
    bool required = false;
    for (const Json& name : schema.value("required", Json::array())) required = required || name == key;
    std::string standard = required ? "needed" : "";
    if (property.contains("default") && !object) standard = "`" + property.at("default").dump() + "`";
    out += fmt::format("| `{}` | {}{} | {} | {} |\n", path, type_of(property), limits_of(property), standard,
                       words_of(property));
    if (!object || !property.contains("properties")) continue;
    const Ordered inner =
        ordered.contains("properties") ? ordered.at("properties") : Ordered(property.at("properties"));
    add_rows(property, inner, path + ".", out);
  }
}

constexpr const char* kHead = "| key | type | default | meaning |\n|---|---|---|---|\n";

std::string section_text(const std::string& name, const Json& schema, const Ordered& ordered) {
  const Section* section = find_section(name);
  std::string text = fmt::format("\n## `{}`\n\n{}", name, words_of(schema));
  const bool keyed = section != nullptr && section->keyed;
  if (section != nullptr) {
    text += fmt::format(" {} of interface `{}`; {}", keyed ? "Entries by name, each a plugin" : "One plugin",
                        section->interface, "its own keys stand beside those below.");
  }
  const bool list = schema.value("type", Json()) == "array";
  const Json& keys = keyed ? schema.at("additionalProperties") : (list ? schema.at("items") : schema);
  const Ordered& order = keyed ? ordered.at("additionalProperties") : (list ? ordered.at("items") : ordered);
  if (list) text += " A list of objects.";
  text += fmt::format("\n\n{}", kHead);
  add_rows(keys, order.at("properties"), "", text);
  return text;
}

}  // namespace

std::string manifest_reference_markdown() {
  const Json& schema = host_schema();
  const Ordered ordered = Ordered::parse(host_schema_text());
  std::string simple;
  std::string sections;
  for (const auto& [key, value] : ordered.at("properties").items()) {
    const Json& property = schema.at("properties").at(key);
    const bool is_section = property.value("type", Json()) == "object" ||
                            (property.contains("items") && property.at("items").contains("properties"));
    if (is_section) {
      sections += section_text(key, property, value);
    } else {
      add_rows({{"properties", {{key, property}}}}, {{key, value}}, "", simple);
    }
  }
  return fmt::format(
      "# Keys of a manifest\n\nThe keys that belong to Caddie itself. Those of a plugin are listed with the plugin.\n\n"
      "| key | type | default | meaning |\n|---|---|---|---|\n"
      "| `extends` | string or list |  | Parents, relative to this file, merged left to right; null deletes. |\n"
      "| `$schema` | string |  | For editors; not read. |\n{}{}",
      simple, sections);
}

}  // namespace caddie::manifest
