// Text to a prepared folder: `tokenizer.model`, `train_000000.bin` ..., `val_000000.bin` ..., `card.json`.
// The same source and settings give the same bytes, whatever the number of threads; a folder that already holds them is
// left as it is. One call at a time on one folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/data/card.hpp"
#include "core/data/selection.hpp"
#include "core/data/text_source.hpp"

namespace caddie::data {

// Where the work stands: "read", "select", "tokenizer", "encode", "write"; `done` of `total` units, or 0 of 0.
struct Progress {
  std::string_view stage;
  std::int64_t done = 0;
  std::int64_t total = 0;
};

struct PrepareSettings {
  std::filesystem::path source = kDefaultCorpus;  // see text_source.hpp for what may be named
  std::string description;                        // for the card; empty: the source's name
  SelectionOptions selection;
  TextOptions text;
  std::int64_t max_document_bytes = 0;            // longer documents are cut; 0: never
  std::filesystem::path tokenizer_model;          // a given model; empty: train one on the training documents
  int vocab_size = 1024;                          // of the tokenizer to train
  double character_coverage = 0.999;
  std::int64_t tokenizer_sample_bytes = 10'000'000;
  std::int64_t shard_tokens = 10'000'000;

  // These change nothing in the result.
  bool overwrite = false;  // replace a folder prepared with other settings
  unsigned threads = 0;    // 0: all
  std::function<void(const Progress&)> progress;  // called on the calling thread
};

struct PrepareResult {
  Card card;
  bool reused = false;  // the folder held exactly this already
};

Result<PrepareResult> prepare(const PrepareSettings& settings, const std::filesystem::path& output);

}  // namespace caddie::data
