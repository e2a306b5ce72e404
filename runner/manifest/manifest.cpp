#include "runner/manifest/manifest.hpp"

#include <utility>

namespace caddie::manifest {
namespace {

DataSettings read_data(const Json& json) {
  const Json& validation = json.at("validation");
  const Json& tokenizer = json.at("tokenizer");
  return {json.value("text", ""),
          json.value("folder", ""),
          string_list(json, "train"),
          string_list(validation, "files"),
          validation.at("fraction"),
          validation.at("documents"),
          {tokenizer.value("model", ""), tokenizer.value("vocab", 0)},
          json.at("max_bytes"),
          json.at("max_document_bytes"),
          json.at("shuffle"),
          json.at("seed")};
}

ModelSettings read_model(const Json& json) {
  return {json.at("layers"),   json.at("dim"),     json.at("heads"), json.at("kv_heads"),
          json.at("head_dim"), json.at("context"), json.at("vocab")};
}

TrainSettings read_train(const Json& json) {
  const Json& clip = json.at("clip");
  return {json.at("batch"), json.at("context"), json.at("accumulate"), json.at("steps"),
          clip.at("norm"),  clip.at("scope"),   json.at("log_every"),  json.at("checkpoint_every")};
}

std::vector<AllowedInert> read_inert(const Json& json) {
  std::vector<AllowedInert> list;
  for (const Json& item : json) list.push_back({item.at("what"), item.at("why")});
  return list;
}

void place_entry(Manifest& manifest, PluginEntry entry) {
  const std::string section = entry.section;
  if (section == "blocks") return manifest.blocks.push_back(std::move(entry));
  if (section == "optimizers") return manifest.optimizers.push_back(std::move(entry));
  if (section == "averagers") return manifest.averagers.push_back(std::move(entry));
  if (section == "quantize") return manifest.quantize.push_back(std::move(entry));
  if (section == "compress") return manifest.compress.push_back(std::move(entry));
  if (section == "evaluators") return manifest.evaluators.push_back(std::move(entry));
  if (section == "schedule")
    manifest.schedule = std::move(entry);
  else if (section == "loader")
    manifest.loader = std::move(entry);
  else if (section == "ttt")
    manifest.ttt = std::move(entry);
}

}  // namespace

std::vector<const PluginEntry*> all_entries(const Manifest& manifest) {
  std::vector<const PluginEntry*> all;
  const auto list = [&](const std::vector<PluginEntry>& entries) {
    for (const PluginEntry& entry : entries) all.push_back(&entry);
  };
  const auto one = [&](const std::optional<PluginEntry>& entry) {
    if (entry) all.push_back(&*entry);
  };
  list(manifest.blocks);
  list(manifest.optimizers);
  one(manifest.schedule);
  list(manifest.averagers);
  one(manifest.loader);
  list(manifest.quantize);
  list(manifest.compress);
  one(manifest.ttt);
  list(manifest.evaluators);
  return all;
}

Manifest read_manifest(const Json& resolved, std::vector<PluginEntry> entries) {
  Manifest manifest;
  manifest.name = resolved.at("name");
  manifest.notes = string_list(resolved, "notes");
  manifest.data = read_data(resolved.at("data"));
  manifest.model = read_model(resolved.at("model"));
  manifest.train = read_train(resolved.at("train"));
  for (PluginEntry& entry : entries) place_entry(manifest, std::move(entry));
  const Json& budget = resolved.at("budget");
  manifest.budget = {budget.at("train_seconds"), budget.at("reserve_seconds"), budget.at("evaluate_seconds"),
                     budget.at("artifact_bytes")};
  manifest.seed = resolved.at("seed");
  const Json& compute = resolved.at("compute");
  manifest.compute = {compute.at("backend"), compute.at("threads"), compute.at("precision")};
  manifest.rules = string_list(resolved, "rules");
  manifest.allow_inert = read_inert(resolved.at("allow_inert"));
  manifest.allow_draft = resolved.at("allow_draft");
  manifest.plugin_path = string_list(resolved, "plugin_path");
  return manifest;
}

}  // namespace caddie::manifest
