// Quantizing and compressing as one stage: weights in, artifact.caddie and its size table out.
#pragma once

#include <filesystem>
#include <vector>

#include "core/artifact/artifact.hpp"
#include "core/base/result.hpp"
#include "core/data/dataset.hpp"
#include "core/train/banks.hpp"
#include "runner/manifest/manifest.hpp"
#include "runner/pipeline/workbench.hpp"

namespace caddie::pipeline {

inline constexpr const char* kArtifactFile = "artifact.caddie";
inline constexpr const char* kArtifactReport = "artifact.json";

struct ArtifactReport {
  double quantize_seconds = 0;
  double compress_seconds = 0;
  artifact::SizeTable sizes;
  std::string digest;
};

struct ArtifactStage {
  const manifest::Manifest* manifest = nullptr;
  const nlohmann::json* resolved = nullptr;
  const Objects* objects = nullptr;
  const data::Dataset* dataset = nullptr;
};

Result<ArtifactReport> run_artifact(const ArtifactStage& stage, const std::vector<train::HostTensor>& weights,
                                    const std::filesystem::path& output);
Result<ArtifactReport> read_artifact_report(const std::filesystem::path& folder);

// The weights an artifact holds, decoded by the plugins it names.
Result<std::vector<train::HostTensor>> decode_artifact(const artifact::Artifact& artifact, const plugins::Registry& registry,
                                                       const plugins::Host& host);

}  // namespace caddie::pipeline
