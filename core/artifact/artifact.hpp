// artifact.caddie: everything that scoring needs of a model, in one file. Writing packs what quantizers made; reading
// needs the file and the plugins it names, nothing else. The same input gives the same bytes. One thread.
//
//   quantize(weights) -> Quantized -> write_artifact -> bytes -> Artifact::open -> decode -> the weights, bit for bit
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/artifact/compress.hpp"
#include "core/artifact/header.hpp"
#include "core/artifact/quantize.hpp"
#include "core/artifact/sizes.hpp"
#include "core/base/result.hpp"
#include "core/plugins/object.hpp"
#include "core/plugins/registry.hpp"

namespace caddie::artifact {

struct WriteRequest {
  const Quantized* quantized = nullptr;
  std::span<const QuantizerEntry> quantizers;    // those that quantize() was given
  std::span<const CompressorEntry> compressors;  // none: streams are stored as they are, for files between two stages
  nlohmann::json manifest;                       // what rebuilds the model: dims and blocks; opaque here
  nlohmann::json run;                            // seed, digest of the tokenizer and the like; opaque here
};

struct Written {
  std::vector<std::uint8_t> bytes;
  SizeTable sizes;
};

Result<Written> write_artifact(const WriteRequest& request);

// Validates a configuration from a file against a plugin's schema, and fills in defaults.
using ConfigCheck = std::function<Result<nlohmann::json>(const plugins::Description&, const nlohmann::json&)>;

// What decoding takes plugins from.
struct Decoders {
  const plugins::Registry* registry = nullptr;
  const plugins::Host* host = nullptr;
  ConfigCheck check;  // empty: configurations are used as they stand in the file
};

// An artifact whose bytes have been checked: digest, lengths, header. Owns its bytes.
class Artifact {
 public:
  // Any bytes at all; `where` is for errors, usually the path.
  static Result<Artifact> open(std::vector<std::uint8_t> bytes, const std::string& where, const Limits& limits = {});

  [[nodiscard]] const Header& header() const { return header_; }
  [[nodiscard]] std::int64_t total_bytes() const { return static_cast<std::int64_t>(bytes_.size()); }
  // SHA-256 of the content, hexadecimal.
  [[nodiscard]] const std::string& digest() const { return digest_; }

  // The streams, unpacked, in the order of streams_of(header()).
  [[nodiscard]] Result<std::vector<StreamBytes>> unpack(const Decoders& decoders) const;
  // The parts of every tensor; `decoded` and `error_norms` stay empty. For packing again with other compressors.
  [[nodiscard]] Result<Quantized> parts(const Decoders& decoders) const;
  // The weights, in the order in which they were written.
  [[nodiscard]] Result<std::vector<NamedTensor>> decode(const Decoders& decoders) const;
  [[nodiscard]] Result<SizeTable> sizes(const Decoders& decoders) const;

 private:
  struct Extent {
    std::size_t begin = 0;
    std::size_t size = 0;
  };
  std::vector<std::uint8_t> bytes_;
  std::vector<Extent> groups_;
  Header header_;
  std::string where_;
  std::string digest_;
};

}  // namespace caddie::artifact
