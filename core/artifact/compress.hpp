// From streams to groups of bytes: which compressor packs which streams, and the way back. A stream is every part of
// one name that one quantizer stored, over all tensors, end to end in tensor order. One thread.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/plugins/object.hpp"

namespace caddie::artifact {

// One compressor of the manifest. The object outlives the entry.
struct CompressorEntry {
  const plugins::Object* object = nullptr;
  nlohmann::json config = nlohmann::json::object();  // what the object was made with; the artifact records it
  std::vector<std::string> streams;                  // globs over stream names; empty: what no other takes
  bool allow_inert = false;                          // may take nothing
};

// A stream's name and bytes.
struct StreamBytes {
  std::string name;
  std::vector<std::uint8_t> bytes;
};

// For each compressor the indices of its streams, rising. Errors as of quantizers: every stream has exactly one
// compressor, and every compressor a stream. Without any compressor the result is empty.
Result<std::vector<std::vector<std::size_t>>> route_streams(std::span<const std::string> streams,
                                                            std::span<const CompressorEntry> entries);

// The group one compressor makes of some streams. The bytes are unpacked again and compared, so that a compressor that
// loses anything is found here and not by the reader.
Result<std::vector<std::uint8_t>> pack_group(const plugins::Object& compressor, std::span<const StreamBytes> streams);

// Fills streams whose sizes are set already. `packed` may be any bytes at all. `compressor` nullptr: they lie end to
// end.
Result<void> unpack_group(const plugins::Object* compressor, std::span<const std::uint8_t> packed,
                          std::span<StreamBytes> streams);

}  // namespace caddie::artifact
