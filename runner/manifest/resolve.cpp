#include "runner/manifest/resolve.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "core/base/hash.hpp"
#include "runner/manifest/entries.hpp"
#include "runner/manifest/host_rules.hpp"
#include "runner/manifest/host_schema.hpp"
#include "runner/manifest/schema.hpp"
#include "runner/manifest/sections.hpp"

namespace caddie::manifest {
namespace {

// The host's schema with sections of plugins left open; their entries are checked with their plugins.
const Json& host_only_schema() {
  static const Json schema = [] {
    Json copy = host_schema();
    for (const Section& section : plugin_sections()) {
      Json& part = copy["properties"][std::string(section.name)];
      Json open = {{"type", "object"}};
      if (part.contains("default")) open["default"] = part["default"];
      part = std::move(open);
    }
    return copy;
  }();
  return schema;
}

void fill_name(Document& document, const std::vector<std::string>& files) {
  if (document.value.contains("name")) return;
  const std::string stem = files.empty() ? "" : std::filesystem::path(files.back()).stem().string();
  const std::string name = stem.empty() ? "run" : stem;
  document.value["name"] = name;
  document.trace.put_member(trace_at(name, "name", Place::of(Place::Kind::derived, "the file's name")));
}

std::optional<int> layer_count(const Document& document, const Findings& findings) {
  const bool wrong = std::any_of(findings.issues.begin(), findings.issues.end(),
                                 [](const Issue& issue) { return issue.pointer == "/model/layers"; });
  if (wrong || !document.value.contains("model")) return std::nullopt;
  const Json& model = document.value.at("model");
  if (!model.is_object() || !model.contains("layers") || !model.at("layers").is_number_integer()) return std::nullopt;
  return model.at("layers").get<int>();
}

std::vector<PluginEntry> complete(Document& document, const std::vector<std::string>& files, const Catalogue& catalogue,
                                  Findings& findings) {
  fill_name(document, files);
  validate(host_only_schema(), document.value, document.trace, "", Place::of(Place::Kind::host_default, ""), findings);
  apply_host_rules(document, findings);
  return check_entries(document, catalogue, layer_count(document, findings), findings);
}

// Calls `visit(pointer, value, trace)` for every leaf: scalars, lists and empty objects.
template <class Visit>
void for_each_leaf(const Json& value, const Trace* trace, const std::string& pointer, const Visit& visit) {
  if (!value.is_object() || value.empty()) return visit(pointer, value, trace);
  for (const auto& [key, member] : value.items()) {
    for_each_leaf(member, trace != nullptr ? trace->member(key) : nullptr, pointer + "/" + pointer_step(key), visit);
  }
}

Json origins_of(const Document& document) {
  Json origins = Json::object();
  for_each_leaf(document.value, &document.trace, "", [&](const std::string& pointer, const Json&, const Trace* trace) {
    origins[pointer] = trace != nullptr ? trace->place.text() : "?";
  });
  return origins;
}

std::map<std::string, Json> leaves_of(const Json& value) {
  std::map<std::string, Json> leaves;
  for_each_leaf(value, nullptr, "",
                [&](const std::string& pointer, const Json& leaf, const Trace*) { leaves.emplace(pointer, leaf); });
  return leaves;
}

bool is_default(const std::string& origin) {
  return origin == "default" || origin.rfind("plugin default", 0) == 0 || origin.rfind("derived from", 0) == 0;
}

}  // namespace

bool Resolution::usable_without_plugins() const {
  return std::all_of(issues.begin(), issues.end(),
                     [](const Issue& issue) { return issue.kind == Issue::Kind::missing_plugin; });
}

Resolution resolve(std::span<const std::filesystem::path> files, std::span<const Override> overrides,
                   const Catalogue& catalogue, const ReadFile& read) {
  LoadedFiles loaded = load_files(files, read);
  Merged& merged = loaded.merged;
  apply_overrides(merged, overrides);

  Resolution result;
  result.files = merged.files;
  result.issues = std::move(merged.issues);
  // With files missing from the merge, what the rest lacks would be reported beside the point.
  const bool whole = std::none_of(result.issues.begin(), result.issues.end(), [](const Issue& issue) {
    return issue.kind == Issue::Kind::io || issue.kind == Issue::Kind::syntax ||
           issue.kind == Issue::Kind::duplicate_key || issue.kind == Issue::Kind::inheritance ||
           (issue.kind == Issue::Kind::type && issue.pointer.empty());
  });
  Document& document = merged.document;
  if (whole) {
    Findings findings;
    std::vector<PluginEntry> entries = complete(document, merged.files, catalogue, findings);
    std::move(findings.issues.begin(), findings.issues.end(), std::back_inserter(result.issues));
    result.notes = std::move(findings.notes);
    result.as_written = document.value;
    write_ranks(document, entries);
    if (result.usable_without_plugins()) result.manifest = read_manifest(document.value, std::move(entries));
    if (!loaded.parents.files.empty()) {
      Findings ignored;
      complete(loaded.parents.document, loaded.parents.files, catalogue, ignored);
      result.base = std::move(loaded.parents.document.value);
    }
  }
  result.origins = origins_of(document);
  result.resolved = std::move(document.value);
  result.canonical = canonical_text(result.resolved);
  result.digest = sha256_hex(result.canonical);
  sort_issues(result.issues);
  sort_issues(result.notes);
  return result;
}

std::string canonical_text(const Json& value) {
  return value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string digest_without(const Json& resolved, std::span<const std::string> keys) {
  Json rest = resolved;
  if (rest.is_object()) {
    for (const std::string& key : keys) rest.erase(key);
  }
  return sha256_hex(canonical_text(rest));
}

Json diff_against_base(const Resolution& resolution) {
  Json differences = Json::array();
  const auto before = resolution.base.is_object() ? leaves_of(resolution.base) : std::map<std::string, Json>();
  const auto after =
      resolution.as_written.is_object() ? leaves_of(resolution.as_written) : std::map<std::string, Json>();
  const auto described = [](const std::string& pointer) {
    return pointer == "/name" || pointer.rfind("/notes", 0) == 0;
  };
  for (const auto& [pointer, value] : after) {
    const std::string origin = resolution.origins.value(pointer, "?");
    const auto old = before.find(pointer);
    if (described(pointer) || (old != before.end() && old->second == value)) continue;
    if (resolution.base.is_null() && is_default(origin)) continue;
    Json entry = {{"pointer", pointer}, {"to", value}, {"origin", origin}};
    if (old != before.end()) entry["from"] = old->second;
    differences.push_back(std::move(entry));
  }
  for (const auto& [pointer, value] : before) {
    if (after.contains(pointer) || described(pointer)) continue;
    differences.push_back({{"pointer", pointer}, {"from", value}});
  }
  return differences;
}

}  // namespace caddie::manifest
