// The data of a run: prepared from text where the manifest says so, opened and checked.
#pragma once

#include "core/base/result.hpp"
#include "core/data/dataset.hpp"
#include "core/data/prepare.hpp"
#include "runner/manifest/manifest.hpp"
#include "runner/pipeline/reporter.hpp"

namespace caddie::pipeline {

// The settings for data::prepare that a manifest with text asks for.
data::PrepareSettings prepare_settings(const manifest::DataSettings& settings, unsigned threads);

struct OpenedData {
  data::Dataset dataset;
  bool prepared = false;  // text was turned into shards just now
};

Result<OpenedData> open_data(const manifest::Manifest& manifest, Reporter& reporter);

}  // namespace caddie::pipeline
