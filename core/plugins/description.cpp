#include "core/plugins/description.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/plugins/tables_check.hpp"

namespace caddie::plugins {
namespace {

using nlohmann::json;

Error wrong(std::string text) { return {Code::format, "", std::move(text)}; }

// The outline that every schema of a plugin has; the configuration itself is checked where manifests are read.
Result<void> check_schema(std::string_view id, const json& schema) {
  const auto refuse = [&](std::string_view text) {
    return wrong(fmt::format("the schema of plugin \"{}\" {}", id, text));
  };
  if (!schema.is_object() || schema.value("type", json()) != "object") {
    return refuse("must be a JSON Schema with \"type\": \"object\"");
  }
  const auto properties = schema.find("properties");
  if (properties == schema.end()) return {};
  if (!properties->is_object()) return refuse("has \"properties\" that are no object");
  constexpr std::array<std::string_view, 6> types{"boolean", "integer", "number", "string", "array", "object"};
  for (const auto& [name, property] : properties->items()) {
    if (!property.is_object()) return refuse(fmt::format("has a property \"{}\" that is no object", name));
    const auto type = property.find("type");
    if (type != property.end() &&
        (!type->is_string() || std::ranges::find(types, type->get_ref<const std::string&>()) == types.end())) {
      return refuse(
          fmt::format("has a property \"{}\" of the type {}; known are boolean, integer, number, string, array, object",
                      name, type->dump(-1, ' ', false, json::error_handler_t::replace)));
    }
  }
  return {};
}

// Reads fields and remembers the first that is missing or of the wrong type.
class Fields {
 public:
  explicit Fields(const json& object) : object_(object) {}

  std::string text(const char* name) {
    const json* field = find(name, [](const json& value) { return value.is_string(); });
    return field == nullptr ? std::string() : field->get<std::string>();
  }
  std::uint32_t number(const char* name) {
    const json* field = find(
        name, [](const json& value) { return value.is_number_unsigned() && value.get<std::uint64_t>() <= UINT32_MAX; });
    return field == nullptr ? 0 : field->get<std::uint32_t>();
  }
  std::vector<std::string> texts(const char* name) {
    const json* field = find(name, [](const json& value) {
      return value.is_array() && std::ranges::all_of(value, [](const json& entry) { return entry.is_string(); });
    });
    return field == nullptr ? std::vector<std::string>() : field->get<std::vector<std::string>>();
  }
  json value(const char* name) {
    const json* field = find(name, [](const json&) { return true; });
    return field == nullptr ? json() : *field;
  }
  [[nodiscard]] const std::string& missing() const { return missing_; }

 private:
  template <class Predicate>
  const json* find(const char* name, Predicate&& fits) {
    const auto field = object_.find(name);
    if (field != object_.end() && fits(*field)) return &*field;
    if (missing_.empty()) missing_ = name;
    return nullptr;
  }
  const json& object_;
  std::string missing_;
};

Result<Description> description_from_json(const json& plugin) {
  if (!plugin.is_object()) return wrong("a plugin's description is no JSON object");
  Fields fields(plugin);
  Description description;
  description.id = fields.text("id");
  description.interface_id = fields.text("interface");
  description.version = fields.text("version");
  description.summary = fields.text("summary");
  description.citation = fields.text("citation");
  description.licence = fields.text("licence");
  description.schema = fields.value("schema");
  description.flags = fields.number("flags");
  description.reads = fields.number("reads");
  description.needs = fields.texts("needs");
  if (!fields.missing().empty())
    return wrong(fmt::format("a plugin's description has no usable \"{}\"", fields.missing()));
  if (!is_plugin_id(description.id)) return wrong("a plugin's description has an id of the wrong form");
  if (auto checked = check_schema(description.id, description.schema); !checked) return checked.error();
  return description;
}

}  // namespace

Result<json> to_json(const caddie_descriptor& descriptor) {
  json schema = json::parse(descriptor.schema, nullptr, false);
  if (schema.is_discarded()) return wrong(fmt::format("the schema of plugin \"{}\" is not JSON", descriptor.id));
  if (auto checked = check_schema(descriptor.id, schema); !checked) return checked.error();
  json needs = json::array();
  for (const char* const* need = descriptor.needs; *need != nullptr; ++need) needs.push_back(*need);
  json plugin = {{"id", descriptor.id},
                 {"interface", descriptor.interface_id},
                 {"version", descriptor.version},
                 {"summary", descriptor.summary},
                 {"citation", descriptor.citation},
                 {"licence", descriptor.licence},
                 {"schema", std::move(schema)},
                 {"flags", descriptor.flags},
                 {"reads", descriptor.reads},
                 {"needs", std::move(needs)}};
  try {
    (void)plugin.dump();
  } catch (const json::exception&) {
    return wrong(fmt::format("plugin \"{}\" has a text that is not UTF-8", descriptor.id));
  }
  return plugin;
}

Result<std::vector<Description>> descriptions_from_json(const json& file) {
  if (!file.is_object()) return wrong("a file's description is no JSON object");
  Fields fields(file);
  const std::string digest = fields.text("digest");
  const std::string build_info = fields.text("build_info");
  const json plugins = fields.value("plugins");
  if (!fields.missing().empty())
    return wrong(fmt::format("a file's description has no usable \"{}\"", fields.missing()));
  if (!plugins.is_array()) return wrong("a file's description has \"plugins\" that are no list");
  std::vector<Description> descriptions;
  for (const json& plugin : plugins) {
    auto description = description_from_json(plugin);
    if (!description) return description.error();
    description->digest = digest;
    description->build_info = build_info;
    descriptions.push_back(std::move(*description));
  }
  return descriptions;
}

}  // namespace caddie::plugins
