// A small world for manifest tests: plugins that do not exist, and files that live in memory.
#pragma once

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "runner/manifest/resolve.hpp"

namespace caddie::manifest::testing {

class FakeCatalogue : public Catalogue {
 public:
  FakeCatalogue() {
    add("block", "noise", R"({"type":"object","properties":{
      "alpha":{"type":"number","default":5,"minimum":0,"maximum":100,"description":"strength"}}})");
    add("block", "gate", R"({"type":"object","required":["window"],"properties":{
      "window":{"type":"integer","minimum":1,"maximum":64},
      "bos_mask":{"type":"boolean","default":false},
      "mode":{"type":"string","enum":["single","double"],"default":"single"}}})");
    add("optimizer", "rotor", R"({"type":"object","properties":{
      "lr":{"type":"number","exclusiveMinimum":0,"default":0.02},
      "momentum":{"default":0.95,"oneOf":[
        {"title":"a number","type":"number","minimum":0,"exclusiveMaximum":1},
        {"title":"a ramp","type":"object","required":["from","to","steps"],"properties":{
          "from":{"type":"number"},"to":{"type":"number"},"steps":{"type":"integer","minimum":1}}}]},
      "table":{"type":"string","enum":["five","polar"],"default":"five"}}})");
    add("optimizer", "plain", R"({"type":"object","properties":{
      "lr":{"type":"number","exclusiveMinimum":0,"default":0.001},
      "betas":{"type":"array","items":{"type":"number"},"minItems":2,"maxItems":2,"default":[0.9,0.95]}}})");
    add("schedule", "ramp", R"({"type":"object","properties":{
      "after":{"type":"number","unit":"seconds","minimum":0,"default":"10min"}}})");
    add("averager", "mean", R"({"type":"object","properties":{"decay":{"type":"number","default":0.99}}})");
    add("loader", "line", R"({"type":"object","properties":{
      "window":{"type":"integer","default":8},"shuffle":{"type":"boolean","default":false}}})");
    add("loader", "prime", R"({"type":"object","properties":{
      "shuffle":{"type":"boolean","default":true},"blocks":{"type":"integer","default":4,"minimum":2}}})");
    add("quantizer", "rows", R"({"type":"object","properties":{"bits":{"type":"integer","enum":[6,8],"default":8}}})");
    add("quantizer", "lowrank", R"({"type":"object","properties":{"rank":{"type":"integer","default":4}}})");
    add("compressor", "squash", R"({"type":"object","properties":{
      "level":{"type":"integer","minimum":0,"maximum":11,"default":9},
      "window":{"type":"integer","unit":"bytes","default":"512KiB"}}})");
    add("ttt", "chunked",
        R"({"type":"object","properties":{"chunk":{"type":"integer","multipleOf":16,"default":48}}})");
    add("evaluator", "flat", R"({"type":"object","properties":{}})");
  }

  void add(const std::string& interface, const std::string& id, const std::string& schema) {
    plugins_[interface][id] = {id, interface, "1.0.0", Json::parse(schema)};
  }
  const PluginSchema* find(std::string_view interface, std::string_view id) const override {
    const auto kind = plugins_.find(std::string(interface));
    if (kind == plugins_.end()) return nullptr;
    const auto plugin = kind->second.find(std::string(id));
    return plugin == kind->second.end() ? nullptr : &plugin->second;
  }
  std::vector<std::string> ids(std::string_view interface) const override {
    std::vector<std::string> names;
    const auto kind = plugins_.find(std::string(interface));
    if (kind == plugins_.end()) return names;
    for (const auto& [id, plugin] : kind->second) names.push_back(id);
    return names;
  }

 private:
  std::map<std::string, std::map<std::string, PluginSchema>> plugins_;
};

using Files = std::map<std::string, std::string>;

inline ReadFile reader_of(const Files& files) {
  return [files](const std::filesystem::path& path) -> Result<std::string> {
    const auto found = files.find(path.string());
    if (found == files.end()) return Error{Code::io, path.string(), "cannot open the file: not there"};
    return found->second;
  };
}

inline std::vector<Override> sets(const std::vector<std::string>& texts) {
  std::vector<Override> overrides;
  for (const std::string& text : texts) overrides.push_back({Override::Kind::set, text});
  return overrides;
}

// Resolves `main` among `files`.
inline Resolution resolve_files(const Files& files, const std::vector<Override>& overrides = {},
                                const std::string& main = "run.json", const Catalogue& catalogue = FakeCatalogue()) {
  const std::vector<std::filesystem::path> paths = {main};
  return resolve(paths, overrides, catalogue, reader_of(files));
}

// A complete stack; tests extend it.
inline constexpr std::string_view kBase = R"({
  "name": "base",
  "notes": "the base",
  "data": { "folder": "data/sp1k", "tokenizer": { "model": "tok.model", "vocab": 1024 } },
  "model": { "layers": 8, "dim": 512, "heads": 8, "kv_heads": 4, "context": 1024 },
  "train": { "batch": 64, "steps": 100 },
  "blocks": {
    "noise": { "use": "noise", "alpha": 3 },
    "gate": { "use": "gate", "window": 12, "layers": "4:" }
  },
  "optimizers": {
    "matrix": { "use": "rotor", "claims": { "role": "matrix" }, "lr": 0.026, "table": "polar" },
    "rest": { "use": "plain", "claims": { "role": ["embedding", "scalar"] } }
  },
  "loader": { "use": "line", "window": 16, "shuffle": true },
  "quantize": { "rows": { "use": "rows" } },
  "evaluators": { "flat": { "use": "flat" } }
})";

inline Files with_base(std::string child) {
  return {{"base.json", std::string(kBase)}, {"run.json", std::move(child)}};
}

// What "run.json" says beside extending the base.
inline Files child_of_base(const std::string& members) {
  return with_base("{\n\"extends\": [\"base.json\"],\n" + members + "\n}");
}

inline bool has_issue(const std::vector<Issue>& issues, Issue::Kind kind, std::string_view pointer) {
  return std::any_of(issues.begin(), issues.end(),
                     [&](const Issue& issue) { return issue.kind == kind && issue.pointer == pointer; });
}

}  // namespace caddie::manifest::testing
