#include "runner/manifest/entries.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "core/base/text.hpp"
#include "runner/manifest/host_schema.hpp"
#include "runner/manifest/layers.hpp"
#include "runner/manifest/sections.hpp"

namespace caddie::manifest {
namespace {

using Kind = Issue::Kind;

bool is_instance_name(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
  return !name.empty() && letter(name.front()) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return letter(c) || c == '_' || c == '-'; });
}

std::string with_article(std::string_view noun) {
  const bool vowel = noun.find_first_of("aeiou") == 0;
  return fmt::format("{} {}", vowel ? "an" : "a", noun);
}

// What one entry is made of while it is checked.
struct Draft {
  const Section& section;
  std::string name;
  std::string pointer;
  Json& value;
  Trace& trace;
};

class EntryChecker {
 public:
  EntryChecker(const Catalogue& catalogue, std::optional<int> layer_count, Findings& findings)
      : catalogue_(catalogue), layer_count_(layer_count), findings_(findings) {}

  std::vector<PluginEntry> check_section(const Section& section, Json& value, Trace& trace) {
    const std::string pointer = "/" + std::string(section.name);
    std::vector<PluginEntry> entries;
    if (!section.keyed) {
      check_entry({section, std::string(section.name), pointer, value, trace}, {}, entries);
      return entries;
    }
    std::vector<std::string> names;
    for (const Trace* member : trace.in_written_order()) names.push_back(member->key);
    for (const std::string& name : names) {
      const std::string at = pointer + "/" + pointer_step(name);
      check_entry({section, name, at, value[name], *trace.member(name)}, names, entries);
    }
    if (section.ordered) {
      std::stable_sort(entries.begin(), entries.end(),
                       [](const PluginEntry& a, const PluginEntry& b) { return a.host.order < b.host.order; });
      int rank = 0;
      for (PluginEntry& entry : entries) entry.host.order = rank++;
    }
    if (section.name == "quantize") check_decorators(entries, value, trace);
    return entries;
  }

 private:
  void report(Kind kind, const Place& place, std::string pointer, std::string message) {
    findings_.issues.push_back({kind, place, std::move(pointer), std::move(message)});
  }

  void check_entry(const Draft& draft, std::vector<std::string> siblings, std::vector<PluginEntry>& entries) {
    const std::size_t before = findings_.issues.size();
    if (!check_form(draft, std::move(siblings))) return;
    const std::string use = draft.value.at("use").get<std::string>();
    const PluginSchema* plugin = catalogue_.find(draft.section.interface, use);
    bool missing = false;
    if (plugin == nullptr) {
      missing = report_unknown(draft, use);
    } else if (!check_plugin(draft, *plugin)) {
      return;
    }
    const Json schema = compose_entry_schema(draft.section.name, plugin);
    const Place origin = Place::of(Place::Kind::plugin_default, use);
    validate(schema, draft.value, draft.trace, draft.pointer, origin, findings_);
    correct_host_origins(draft);
    if (findings_.issues.size() > before + (missing ? 1 : 0)) return;
    PluginEntry entry = read(draft, use);
    if (findings_.issues.size() == before + (missing ? 1 : 0)) entries.push_back(std::move(entry));
  }

  bool check_form(const Draft& draft, std::vector<std::string> siblings) {
    if (draft.section.keyed && !is_instance_name(draft.name)) {
      report(Kind::form, draft.trace.key_place, draft.pointer,
             "the name of an entry is made of letters, digits, '-' and '_', and begins with a letter or digit");
    }
    if (!draft.value.is_object()) {
      const bool text = draft.value.is_string();
      report(Kind::type, draft.trace.place, draft.pointer,
             fmt::format("must be an object, is {}; write {{\"use\": {}}}", show_value(draft.value),
                         text ? show_value(draft.value) : "\"PLUGIN\""));
      return false;
    }
    const auto use = draft.value.find("use");
    if (use == draft.value.end()) {
      std::erase(siblings, draft.name);
      const std::string near = did_you_mean(draft.name, siblings);
      report(Kind::missing_key, draft.trace.key_place, draft.pointer,
             fmt::format("no parent has \"{}\", and it names no plugin{}", draft.name,
                         near.empty() ? "; add \"use\"" : near));
      return false;
    }
    if (use->is_string() && !use->get_ref<const std::string&>().empty()) return true;
    report(Kind::type, draft.trace.member("use")->place, draft.pointer + "/use",
           fmt::format("must be the id of a plugin, is {}", show_value(*use)));
    return false;
  }

  // Whether the plugin is merely not installed; false when its id belongs to another interface.
  bool report_unknown(const Draft& draft, const std::string& use) {
    const Place& place = draft.trace.member("use")->place;
    const std::string pointer = draft.pointer + "/use";
    for (const Section& other : plugin_sections()) {
      if (catalogue_.find(other.interface, use) == nullptr) continue;
      report(Kind::unknown_plugin, place, pointer,
             fmt::format("the plugin \"{}\" is {}, not {}; it belongs under \"{}\"", use, with_article(other.interface),
                         with_article(draft.section.interface), other.name));
      return false;
    }
    const std::string near = did_you_mean(use, catalogue_.ids(draft.section.interface));
    report(Kind::missing_plugin, place, pointer,
           fmt::format("no {} plugin \"{}\" is installed{}", draft.section.interface, use,
                       near.empty() ? "; install it, or add its folder to \"plugin_path\"" : near));
    return true;
  }

  bool check_plugin(const Draft& draft, const PluginSchema& plugin) {
    std::string problem;
    const std::vector<Issue> wrong = check_plugin_schema(plugin.schema);
    if (!wrong.empty()) problem = fmt::format("{}: {}", wrong.front().pointer, wrong.front().message);
    const Json& host = entry_schema(draft.section.name).at("properties");
    if (problem.empty()) {
      for (const auto& [key, property] : plugin.schema.at("properties").items()) {
        if (host.contains(key)) problem = fmt::format("the key \"{}\" belongs to Caddie; rename it", key);
      }
    }
    if (problem.empty()) return true;
    report(Kind::bad_schema, draft.trace.member("use")->place, draft.pointer + "/use",
           fmt::format("the schema of the plugin \"{}\" cannot be used: {}", plugin.id, problem));
    return false;
  }

  // The defaults of host keys come from Caddie and not from the plugin.
  static void correct_host_origins(const Draft& draft) {
    for (const auto& [key, property] : entry_schema(draft.section.name).at("properties").items()) {
      Trace* member = draft.trace.member(key);
      if (member != nullptr && member->place.kind == Place::Kind::plugin_default) {
        member->place = member->key_place = Place::of(Place::Kind::host_default, "");
      }
    }
  }

  PluginEntry read(const Draft& draft, const std::string& use) {
    PluginEntry entry{std::string(draft.section.name), draft.name, use, draft.value, {}, draft.trace.key_place};
    for (const auto& [key, property] : entry_schema(draft.section.name).at("properties").items())
      entry.config.erase(key);
    entry.host.layers = layers_of(draft.value, draft.trace, draft.pointer);
    entry.host.at = host_value(draft, "at").is_string() ? draft.value.at("at").get<std::string>() : "";
    entry.host.phases = host_strings(draft, "phases");
    if (host_value(draft, "order").is_number_integer()) entry.host.order = draft.value.at("order").get<int>();
    entry.host.over = host_strings(draft, "over");
    entry.host.streams = host_strings(draft, "streams");
    if (const Json& claims = host_value(draft, "claims"); claims.is_object()) {
      entry.host.claims = {string_list(claims, "role"),
                           layers_of(claims, *draft.trace.member("claims"), draft.pointer + "/claims"),
                           string_list(claims, "name"), string_list(claims, "except"), claims.value("min_elements", std::int64_t{0}),
                           claims.value("max_elements", std::int64_t{1} << 53)};
    }
    return entry;
  }

  // A host key of this section; null when absent or when the key is the plugin's here.
  static const Json& host_value(const Draft& draft, const char* key) {
    static const Json none;
    const bool host = entry_schema(draft.section.name).at("properties").contains(key);
    return host && draft.value.contains(key) ? draft.value.at(key) : none;
  }

  static std::vector<std::string> host_strings(const Draft& draft, const char* key) {
    return host_value(draft, key).is_null() ? std::vector<std::string>() : string_list(draft.value, key);
  }

  std::optional<std::vector<int>> layers_of(const Json& object, const Trace& trace, const std::string& pointer) {
    if (!object.contains("layers") || !layer_count_) return std::nullopt;
    Result<std::vector<int>> layers = expand_layers(object.at("layers"), *layer_count_);
    if (layers) return std::move(*layers);
    report(Kind::form, trace.member("layers")->place, pointer + "/layers", layers.error().text);
    return std::nullopt;
  }

  // Names in "over" exist, and nothing decorates itself, not even through others.
  void check_decorators(const std::vector<PluginEntry>& entries, const Json& value, const Trace& trace) {
    std::vector<std::string> names;
    for (const auto& [name, entry] : value.items()) names.push_back(name);
    for (const PluginEntry& entry : entries) {
      const Trace& over = entry.host.over.empty() ? trace : *trace.member(entry.name)->member("over");
      for (std::size_t i = 0; i < entry.host.over.size(); ++i) {
        const std::string& target = entry.host.over[i];
        const std::string pointer = fmt::format("/quantize/{}/over/{}", entry.name, i);
        const Place& place = over.children[i].place;
        if (!value.contains(target)) {
          const std::string near = did_you_mean(target, names);
          report(Kind::conflict, place, pointer,
                 fmt::format("\"quantize\" has no entry \"{}\"{}", target,
                             near.empty() ? "; add it or leave it out" : near));
        } else if (reaches(entries, target, entry.name, 0)) {
          report(Kind::conflict, place, pointer,
                 fmt::format("\"{}\" would decorate itself; break the circle", entry.name));
        }
      }
    }
  }

  static bool reaches(const std::vector<PluginEntry>& entries, const std::string& from, const std::string& target,
                      std::size_t depth) {
    if (from == target) return true;
    if (depth > entries.size()) return false;
    for (const PluginEntry& entry : entries) {
      if (entry.name != from) continue;
      return std::any_of(entry.host.over.begin(), entry.host.over.end(),
                         [&](const std::string& next) { return reaches(entries, next, target, depth + 1); });
    }
    return false;
  }

  const Catalogue& catalogue_;
  std::optional<int> layer_count_;
  Findings& findings_;
};

}  // namespace

Json compose_entry_schema(std::string_view section, const PluginSchema* plugin) {
  const Json& host = entry_schema(section);
  if (plugin == nullptr) {
    Json open = host;
    open["additionalProperties"] = true;
    return open;
  }
  Json schema = plugin->schema;
  for (const auto& [key, property] : host.at("properties").items()) schema["properties"][key] = property;
  for (const Json& key : host.at("required")) schema["required"].push_back(key);
  return schema;
}

std::vector<PluginEntry> check_entries(Document& document, const Catalogue& catalogue, std::optional<int> layer_count,
                                       Findings& findings) {
  std::vector<PluginEntry> all;
  EntryChecker checker(catalogue, layer_count, findings);
  for (const Section& section : plugin_sections()) {
    const std::string name(section.name);
    if (!document.value.contains(name) || !document.value.at(name).is_object()) continue;
    std::vector<PluginEntry> entries =
        checker.check_section(section, document.value.at(name), *document.trace.member(name));
    std::move(entries.begin(), entries.end(), std::back_inserter(all));
  }
  return all;
}

void write_ranks(Document& document, const std::vector<PluginEntry>& entries) {
  for (const PluginEntry& entry : entries) {
    if (!find_section(entry.section)->ordered) continue;
    document.value[entry.section][entry.name]["order"] = entry.host.order;
    Trace& trace = *document.trace.member(entry.section)->member(entry.name);
    if (trace.member("order") == nullptr) {
      trace.put_member(trace_at(entry.host.order, "order", Place::of(Place::Kind::derived, "the order of entries")));
    }
  }
}

}  // namespace caddie::manifest
