// Checkpoints: everything a training run needs to go on with the same bits. A file is a header of named sections and
// their bytes, with a digest over all; it is written under a temporary name, synced and renamed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/result.hpp"

namespace caddie::train {

struct Checkpoint {
  std::int64_t step = 0;         // steps done
  double elapsed_seconds = 0;    // of training
  std::string run_digest;        // what the run was made of; a checkpoint of another run is refused
  std::map<std::string, std::vector<std::uint8_t>> sections;  // "bank/<name>", "state/<path>", "loader"
};

std::vector<std::uint8_t> encode_checkpoint(const Checkpoint& checkpoint);
// Any bytes: a sentence instead of a crash.
Result<Checkpoint> decode_checkpoint(std::span<const std::uint8_t> bytes, const std::string& where);

Result<void> write_checkpoint(const std::filesystem::path& folder, const Checkpoint& checkpoint);
// The newest checkpoint of the folder that is whole and belongs to the run; nothing when there is none. Damaged ones
// are passed over and named in `skipped`.
Result<std::optional<Checkpoint>> newest_checkpoint(const std::filesystem::path& folder, const std::string& run_digest,
                                                    std::vector<std::string>* skipped);
// Removes all but the newest `keep`.
void prune_checkpoints(const std::filesystem::path& folder, int keep);

}  // namespace caddie::train
