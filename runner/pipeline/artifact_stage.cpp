#include "runner/pipeline/artifact_stage.hpp"

#include <algorithm>
#include <chrono>

#include "core/base/file.hpp"
#include "runner/manifest/schema.hpp"

namespace caddie::pipeline {
namespace {

using Json = nlohmann::json;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

bool allowed(const manifest::Manifest& manifest, const std::string& name) {
  return std::ranges::any_of(manifest.allow_inert, [&](const manifest::AllowedInert& inert) { return inert.what == name; });
}

std::vector<artifact::QuantizerEntry> quantizer_entries(const ArtifactStage& stage) {
  std::vector<artifact::QuantizerEntry> entries;
  for (std::size_t i = 0; i < stage.manifest->quantize.size(); ++i) {
    const manifest::PluginEntry& entry = stage.manifest->quantize[i];
    artifact::QuantizerEntry quantizer;
    quantizer.object = &stage.objects->quantizers[i];
    quantizer.config = entry.config;
    quantizer.claims = claims_of(entry);
    quantizer.over = entry.host.over;
    quantizer.allow_inert = allowed(*stage.manifest, entry.name);
    entries.push_back(std::move(quantizer));
  }
  return entries;
}

std::vector<artifact::CompressorEntry> compressor_entries(const ArtifactStage& stage) {
  std::vector<artifact::CompressorEntry> entries;
  for (std::size_t i = 0; i < stage.manifest->compress.size(); ++i) {
    const manifest::PluginEntry& entry = stage.manifest->compress[i];
    artifact::CompressorEntry compressor;
    compressor.object = &stage.objects->compressors[i];
    compressor.config = entry.config;
    if (entry.host.streams != std::vector<std::string>{"*"}) compressor.streams = entry.host.streams;
    compressor.allow_inert = allowed(*stage.manifest, entry.name);
    entries.push_back(std::move(compressor));
  }
  return entries;
}

std::vector<artifact::NamedTensor> named(const std::vector<train::HostTensor>& weights) {
  std::vector<artifact::NamedTensor> tensors;
  for (const train::HostTensor& weight : weights) {
    tensors.push_back({{weight.path, weight.role, weight.layer, weight.shape}, weight.values});
  }
  return tensors;
}

// A configuration that stands in a file is no more trusted than one in a manifest.
Result<Json> check_config(const plugins::Description& plugin, const Json& config) {
  Json checked = config;
  const manifest::Place place = manifest::Place::of(manifest::Place::Kind::derived, "the artifact");
  manifest::Trace trace = manifest::trace_at(checked, plugin.id, place);
  manifest::Findings findings;
  manifest::validate(plugin.schema, checked, trace, "", place, findings);
  if (findings.issues.empty()) return checked;
  return Error{Code::format, plugin.id, "its options in the artifact are wrong: " + manifest::format_issue(findings.issues.front())};
}

Json rows_json(const std::vector<artifact::SizeRow>& rows) {
  Json list = Json::array();
  for (const artifact::SizeRow& row : rows) list.push_back({row.name, row.raw_bytes, row.bytes});
  return list;
}

std::vector<artifact::SizeRow> read_rows(const Json& list) {
  std::vector<artifact::SizeRow> rows;
  for (const Json& row : list) {
    if (row.is_array() && row.size() == 3) rows.push_back({row[0].get<std::string>(), row[1].get<std::int64_t>(), row[2].get<std::int64_t>()});
  }
  return rows;
}

Json report_json(const ArtifactReport& report) {
  return {{"quantize_seconds", report.quantize_seconds},
          {"compress_seconds", report.compress_seconds},
          {"digest", report.digest},
          {"bytes", report.sizes.total},
          {"groups", rows_json(report.sizes.groups)},
          {"streams", rows_json(report.sizes.streams)},
          {"tensors", rows_json(report.sizes.tensors)}};
}

}  // namespace

Result<ArtifactReport> run_artifact(const ArtifactStage& stage, const std::vector<train::HostTensor>& weights,
                                    const std::filesystem::path& output) {
  ArtifactReport report;
  const std::vector<artifact::QuantizerEntry> quantizers = quantizer_entries(stage);
  const std::vector<artifact::CompressorEntry> compressors = compressor_entries(stage);
  Clock::time_point start = Clock::now();
  const auto quantized = artifact::quantize(named(weights), quantizers, {});
  if (!quantized) return quantized.error();
  report.quantize_seconds = seconds_since(start);

  start = Clock::now();
  artifact::WriteRequest request;
  request.quantized = &*quantized;
  request.quantizers = quantizers;
  request.compressors = compressors;
  const Json& resolved = *stage.resolved;
  request.manifest = {{"model", resolved.value("model", Json::object())}, {"blocks", resolved.value("blocks", Json::object())}};
  request.run = {{"seed", stage.manifest->seed}, {"tokenizer", stage.dataset->tokenizer().digest()}, {"vocab", stage.dataset->vocab_size()}};
  auto written = artifact::write_artifact(request);
  if (!written) return written.error();
  report.compress_seconds = seconds_since(start);
  report.sizes = std::move(written->sizes);
  auto opened = artifact::Artifact::open(written->bytes, kArtifactFile);
  if (!opened) return opened.error();
  report.digest = opened->digest();
  if (auto done = write_atomically(output / kArtifactFile, std::span<const std::uint8_t>(written->bytes)); !done) return done.error();
  if (auto done = write_atomically(output / kArtifactReport, report_json(report).dump(2) + "\n"); !done) return done.error();
  return report;
}

Result<ArtifactReport> read_artifact_report(const std::filesystem::path& folder) {
  const auto text = read_text(folder / kArtifactReport);
  if (!text) return text.error();
  const Json json = Json::parse(*text, nullptr, false);
  if (!json.is_object()) return Error{Code::format, (folder / kArtifactReport).string(), "is no JSON object"};
  ArtifactReport report;
  report.quantize_seconds = json.value("quantize_seconds", 0.0);
  report.compress_seconds = json.value("compress_seconds", 0.0);
  report.digest = json.value("digest", "");
  report.sizes.total = json.value("bytes", std::int64_t{0});
  report.sizes.groups = read_rows(json.value("groups", Json::array()));
  report.sizes.streams = read_rows(json.value("streams", Json::array()));
  report.sizes.tensors = read_rows(json.value("tensors", Json::array()));
  return report;
}

Result<std::vector<train::HostTensor>> decode_artifact(const artifact::Artifact& artifact, const plugins::Registry& registry,
                                                       const plugins::Host& host) {
  artifact::Decoders decoders;
  decoders.registry = &registry;
  decoders.host = &host;
  decoders.check = check_config;
  auto tensors = artifact.decode(decoders);
  if (!tensors) return tensors.error();
  std::vector<train::HostTensor> weights;
  for (artifact::NamedTensor& tensor : *tensors) {
    weights.push_back({tensor.id.name, tensor.id.role, tensor.id.layer, tensor.id.shape, std::move(tensor.data)});
  }
  return weights;
}

}  // namespace caddie::pipeline
