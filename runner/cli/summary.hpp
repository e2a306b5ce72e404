// The screen at the end of a run: stages with seconds, budget and bits per byte, the artifact, validity, one sentence in words.
#pragma once

#include <string>

#include "runner/pipeline/run_result.hpp"

namespace caddie::cli {

// At most 80 columns.
std::string summary(const pipeline::RunResult& result, const std::string& folder, bool colours);

}  // namespace caddie::cli
