// What each stage reads, as JSON: its digest is the stage's address. A stage's inputs hold the manifest sections that can change
// its result, the plugins' content digests and the address of the stage before it, and nothing that cannot (threads, logging).
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "core/plugins/registry.hpp"
#include "runner/manifest/manifest.hpp"

namespace caddie::pipeline {

nlohmann::json train_inputs(const nlohmann::json& resolved, const manifest::Manifest& manifest, const plugins::Registry& registry,
                            const std::string& data_digest);
nlohmann::json artifact_inputs(const nlohmann::json& resolved, const manifest::Manifest& manifest, const plugins::Registry& registry,
                               const std::string& train_key);
nlohmann::json evaluate_inputs(const manifest::Manifest& manifest, const manifest::PluginEntry& evaluator,
                               const plugins::Registry& registry, const std::string& artifact_digest, const std::string& data_digest);

}  // namespace caddie::pipeline
