// The header of an artifact: which model, which plugins with which configuration, which tensors, which streams in which
// group. As text it is canonical JSON (sorted keys, no spaces, shortest numbers). Plain values; any thread.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/artifact/tensor.hpp"
#include "core/base/result.hpp"

namespace caddie::artifact {

// A plugin that is needed to read the artifact.
struct PluginRecord {
  std::string instance;
  std::string id;
  std::string version;
  nlohmann::json config = nlohmann::json::object();
};

struct PartRecord {
  std::string name;
  std::int64_t bytes = 0;
};

struct EncodingRecord {
  std::size_t quantizer = 0;
  std::vector<PartRecord> parts;  // by name, rising
};

struct TensorRecord {
  TensorId id;
  std::vector<EncodingRecord> encodings;
};

struct GroupRecord {
  std::optional<PluginRecord> compressor;  // absent: the streams lie end to end as they are
  std::vector<std::string> streams;        // "<instance>.<part>", in order
};

struct Header {
  nlohmann::json manifest;  // what rebuilds the model; opaque here
  nlohmann::json run;       // seed, digests and the like; opaque here
  std::vector<PluginRecord> quantizers;
  std::vector<TensorRecord> tensors;
  std::vector<GroupRecord> groups;
};

// What a reader accepts: bounds on the memory that a damaged or hostile file can make it ask for.
struct Limits {
  std::int64_t tensors = 65536;
  std::int64_t elements = std::int64_t{1} << 31;     // of all tensors together
  std::int64_t coded_bytes = std::int64_t{1} << 32;  // of all streams together, unpacked
};

std::string header_text(const Header& header);

// Any text at all. Checks types, ranges and references: names are unique, every encoding names a quantizer, shapes
// multiply within the limits, parts are no larger than their tensors allow, and the groups hold every stream exactly
// once.
Result<Header> parse_header(std::string_view text, const Limits& limits, const std::string& where);

// The streams of a list of tensors in their order: by quantizer, then by part name.
struct Stream {
  std::string name;
  std::size_t quantizer = 0;
  std::string part;
  std::int64_t bytes = 0;  // over all tensors
};
std::vector<Stream> streams_of(const Header& header);

}  // namespace caddie::artifact
