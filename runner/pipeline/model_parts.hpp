// From a manifest's model and blocks to a Model; from its compute section to an executor.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/graph/executor.hpp"
#include "core/plugins/model.hpp"
#include "runner/manifest/manifest.hpp"

namespace caddie::pipeline {

// `vocab` is the data's; the model has at least as many rows.
Result<plugins::Dims> model_dims(const manifest::Manifest& manifest, int vocab);

Result<plugins::Model> make_model(const manifest::Manifest& manifest, const plugins::Dims& dims,
                                  const std::vector<plugins::Object>& blocks);

// Threads that the manifest asks for, or all.
int thread_count(const manifest::ComputeSettings& compute);

// Why "precision" changes nothing here; empty where it does what it says.
std::string without_effect(const manifest::ComputeSettings& compute);

// The executor "compute" asks for.
Result<std::unique_ptr<graph::Executor>> make_executor(const manifest::ComputeSettings& compute, bool profile = false);

}  // namespace caddie::pipeline
