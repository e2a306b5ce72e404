#include "runner/pipeline/prepare_stage.hpp"

#include <fmt/format.h>

#include "core/base/hash.hpp"

namespace caddie::pipeline {
namespace {

// Where prepared text goes when the manifest names no folder: a name people recognise and a digest of what was asked for.
std::filesystem::path default_folder(const manifest::DataSettings& settings) {
  const std::filesystem::path source = settings.text;
  const std::string asked = fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}", source.string(), settings.validation_fraction,
                                        settings.validation_documents, settings.tokenizer.model, settings.tokenizer.vocab,
                                        settings.max_bytes, settings.max_document_bytes, settings.shuffle, settings.seed);
  std::string stem = source.filename().empty() ? source.parent_path().filename().string() : source.filename().string();
  stem = stem.substr(0, stem.find('.'));
  return std::filesystem::path("data") / fmt::format("{}-{}", stem.empty() ? "text" : stem, sha256_hex(asked).substr(0, 8));
}

Result<data::Dataset> open_shards(const manifest::DataSettings& settings) {
  const std::filesystem::path folder = settings.folder;
  if (settings.train_files.empty()) return data::Dataset::open_folder(folder);
  data::ShardSources sources;
  for (const std::string& pattern : settings.train_files) sources.train.push_back((folder / pattern).string());
  for (const std::string& pattern : settings.validation_files) sources.validation.push_back((folder / pattern).string());
  sources.tokenizer = settings.tokenizer.model;
  return data::Dataset::open_shards(sources);
}

}  // namespace

data::PrepareSettings prepare_settings(const manifest::DataSettings& settings, unsigned threads) {
  data::PrepareSettings prepare;
  prepare.source = settings.text;
  prepare.selection.seed = static_cast<std::uint64_t>(settings.seed);
  prepare.selection.shuffle = settings.shuffle;
  prepare.selection.max_bytes = settings.max_bytes;
  prepare.selection.validation_documents = settings.validation_documents;
  prepare.selection.validation_fraction = settings.validation_fraction;
  prepare.max_document_bytes = settings.max_document_bytes;
  prepare.tokenizer_model = settings.tokenizer.model;
  if (settings.tokenizer.vocab > 0) prepare.vocab_size = settings.tokenizer.vocab;
  prepare.threads = threads;
  return prepare;
}

Result<OpenedData> open_data(const manifest::Manifest& manifest, Reporter& reporter) {
  const manifest::DataSettings& settings = manifest.data;
  if (settings.text.empty()) {
    auto dataset = open_shards(settings);
    if (!dataset) return dataset.error();
    return OpenedData{std::move(*dataset), false};
  }
  data::PrepareSettings prepare = prepare_settings(settings, static_cast<unsigned>(manifest.compute.threads));
  prepare.progress = [&](const data::Progress& progress) { reporter.prepare(progress); };
  const std::filesystem::path folder = settings.folder.empty() ? default_folder(settings) : std::filesystem::path(settings.folder);
  const auto prepared = data::prepare(prepare, folder);
  if (!prepared) return prepared.error();
  auto dataset = data::Dataset::open_folder(folder);
  if (!dataset) return dataset.error();
  return OpenedData{std::move(*dataset), !prepared->reused};
}

}  // namespace caddie::pipeline
