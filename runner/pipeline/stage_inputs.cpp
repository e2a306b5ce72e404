#include "runner/pipeline/stage_inputs.hpp"

#include "runner/manifest/sections.hpp"

namespace caddie::pipeline {
namespace {

using Json = nlohmann::json;

// Bumped when the program computes something else for the same inputs.
constexpr int kTrainRevision = 1;
constexpr int kArtifactRevision = 1;
constexpr int kEvaluateRevision = 1;

std::string digest_of(const manifest::PluginEntry& entry, const plugins::Registry& registry) {
  const plugins::Description* plugin = registry.find(manifest::find_section(entry.section)->interface, entry.use);
  return plugin == nullptr ? std::string() : plugin->digest;
}

void add_plugins(Json& inputs, const std::vector<manifest::PluginEntry>& entries, const plugins::Registry& registry) {
  for (const manifest::PluginEntry& entry : entries) inputs["plugins"][entry.section + "." + entry.name] = digest_of(entry, registry);
}

void add_plugin(Json& inputs, const std::optional<manifest::PluginEntry>& entry, const plugins::Registry& registry) {
  if (entry) inputs["plugins"][entry->section] = digest_of(*entry, registry);
}

void copy_sections(Json& inputs, const Json& resolved, std::initializer_list<const char*> sections) {
  for (const char* section : sections) {
    if (resolved.contains(section)) inputs[section] = resolved[section];
  }
}

Json entry_json(const manifest::PluginEntry& entry, const plugins::Registry& registry) {
  return {{"use", entry.use}, {"config", entry.config}, {"digest", digest_of(entry, registry)}};
}

}  // namespace

Json train_inputs(const Json& resolved, const manifest::Manifest& manifest, const plugins::Registry& registry,
                  const std::string& data_digest) {
  Json inputs = {{"revision", kTrainRevision}, {"data", data_digest}};
  copy_sections(inputs, resolved, {"model", "train", "blocks", "optimizers", "schedule", "averagers", "loader", "seed", "allow_inert"});
  if (inputs.contains("train")) {
    inputs["train"].erase("log_every");
    inputs["train"].erase("checkpoint_every");
  }
  inputs["budget"] = {{"train_seconds", manifest.budget.train_seconds}, {"reserve_seconds", manifest.budget.reserve_seconds}};
  inputs["compute"] = {{"backend", manifest.compute.backend}, {"precision", manifest.compute.precision}};
  add_plugins(inputs, manifest.blocks, registry);
  add_plugins(inputs, manifest.optimizers, registry);
  add_plugins(inputs, manifest.averagers, registry);
  add_plugin(inputs, manifest.schedule, registry);
  add_plugin(inputs, manifest.loader, registry);
  return inputs;
}

Json artifact_inputs(const Json& resolved, const manifest::Manifest& manifest, const plugins::Registry& registry,
                     const std::string& train_key) {
  Json inputs = {{"revision", kArtifactRevision}, {"train", train_key}};
  copy_sections(inputs, resolved, {"quantize", "compress"});
  add_plugins(inputs, manifest.quantize, registry);
  add_plugins(inputs, manifest.compress, registry);
  return inputs;
}

Json evaluate_inputs(const manifest::Manifest& manifest, const manifest::PluginEntry& evaluator, const plugins::Registry& registry,
                     const std::string& artifact_digest, const std::string& data_digest) {
  Json inputs = {{"revision", kEvaluateRevision}, {"artifact", artifact_digest}, {"data", data_digest}, {"seed", manifest.seed}};
  inputs["context"] = manifest.model.context;
  inputs["compute"] = {{"backend", manifest.compute.backend}, {"precision", manifest.compute.precision}};
  inputs["evaluator"] = entry_json(evaluator, registry);
  if (manifest.ttt) inputs["ttt"] = entry_json(*manifest.ttt, registry);
  add_plugins(inputs, manifest.blocks, registry);
  return inputs;
}

}  // namespace caddie::pipeline
