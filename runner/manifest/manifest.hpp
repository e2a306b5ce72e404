// A resolved manifest as types. Plain values, made by resolve() from a validated document; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runner/manifest/json_document.hpp"

namespace caddie::manifest {

struct TokenizerSettings {
  std::string model;  // empty: none given
  int vocab = 0;      // 0: not given
};

// One of three: text that is prepared into the folder; a folder prepared before; shards made elsewhere (patterns).
struct DataSettings {
  std::string text;  // empty: nothing to prepare
  std::string folder;
  std::vector<std::string> train_files;       // both empty for a prepared folder; else both given, and the
  std::vector<std::string> validation_files;  // tokenizer's model with them
  double validation_fraction = 0;
  std::int64_t validation_documents = 0;  // above 0: in place of the fraction
  TokenizerSettings tokenizer;
  std::int64_t max_bytes = 0;           // 0: all
  std::int64_t max_document_bytes = 0;  // 0: never cut
  bool shuffle = true;
  std::int64_t seed = 0;
};

struct ModelSettings {
  int layers = 0;
  int dim = 0;
  int heads = 0;
  int kv_heads = 0;
  int head_dim = 0;
  int context = 0;
  int vocab = 0;
};

struct TrainSettings {
  int batch = 0;
  int context = 0;
  int accumulate = 1;
  std::int64_t steps = 0;
  double clip_norm = 0;    // 0: no clipping
  std::string clip_scope;  // "global", "local"
  std::int64_t log_every = 0;
  std::int64_t checkpoint_every = 0;  // 0: only at the end
};

struct BudgetSettings {
  double train_seconds = 0;
  double reserve_seconds = 0;
  double evaluate_seconds = 0;
  std::int64_t artifact_bytes = 0;
};

struct ComputeSettings {
  std::string backend;    // "cpu", "cuda", "reference"
  int threads = 0;        // 0: all
  std::string precision;  // "fp32", "bf16"
};

struct AllowedInert {
  std::string what;
  std::string why;
};

// Which parameters or tensors an entry takes. An empty list does not restrict.
struct Claims {
  std::vector<std::string> roles;
  std::optional<std::vector<int>> layers;
  std::vector<std::string> names;   // globs
  std::vector<std::string> except;  // globs
  std::int64_t min_elements = 0;
  std::int64_t max_elements = std::int64_t{1} << 53;
};

// The keys of an entry that belong to the host. Those that a section does not have keep their defaults.
struct HostKeys {
  std::optional<std::vector<int>> layers;  // blocks; none: the plugin's choice
  std::string at;                          // blocks; empty: the plugin's hook
  std::vector<std::string> phases;         // blocks; empty: all
  int order = 0;                           // blocks, quantize, compress: the rank in which the entry acts, from 0
  Claims claims;                           // optimizers, quantize
  std::vector<std::string> over;           // quantize: entries that this one decorates
  std::vector<std::string> streams;        // compress: globs
};

struct PluginEntry {
  std::string section;  // "blocks"
  std::string name;     // of the instance; the section's name where there is only one
  std::string use;      // the plugin's id
  Json config;          // the plugin's own keys, defaults filled in
  HostKeys host;
  Place position;  // of the entry's name, for messages
};

struct Manifest {
  std::string name;
  std::vector<std::string> notes;
  DataSettings data;
  ModelSettings model;
  TrainSettings train;
  // In the order in which they act: by "order", then as written.
  std::vector<PluginEntry> blocks;
  std::vector<PluginEntry> optimizers;
  std::vector<PluginEntry> averagers;
  std::vector<PluginEntry> quantize;
  std::vector<PluginEntry> compress;
  std::vector<PluginEntry> evaluators;
  std::optional<PluginEntry> schedule;
  std::optional<PluginEntry> loader;
  std::optional<PluginEntry> ttt;
  BudgetSettings budget;
  std::int64_t seed = 0;
  ComputeSettings compute;
  std::vector<std::string> rules;
  std::vector<AllowedInert> allow_inert;
  bool allow_draft = false;
  std::vector<std::string> plugin_path;
};

// Every entry of every section, in the order of sections.hpp.
std::vector<const PluginEntry*> all_entries(const Manifest& manifest);

// The typed view of a document that validated. `entries` are those of its plugins, in order.
Manifest read_manifest(const Json& resolved, std::vector<PluginEntry> entries);

}  // namespace caddie::manifest
