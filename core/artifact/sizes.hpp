// Where the bytes of an artifact are. Groups, header and prefix are counted; streams and tensors share the bytes of
// their group. A share is an estimate: a byte of a stream costs -log2 of its frequency in that stream, and what a group
// really weighs is divided in proportion. Every table adds up to the total exactly. Plain values; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/artifact/compress.hpp"
#include "core/artifact/header.hpp"

namespace caddie::artifact {

// The cap of the game, in decimal bytes.
inline constexpr std::int64_t kSizeCap = 16'000'000;

struct SizeRow {
  std::string name;
  std::int64_t raw_bytes = 0;  // before packing
  std::int64_t bytes = 0;      // in the file
};

struct SizeTable {
  std::int64_t total = 0;
  std::vector<SizeRow> groups;   // "container" (prefix, sizes and header), then by compressor instance
  std::vector<SizeRow> streams;  // "container", then "<instance>.<part>"
  std::vector<SizeRow> tensors;  // "container", then tensors in order
};

// Bytes of artifact and counted code together against the cap.
struct CapCheck {
  std::int64_t total = 0;
  std::int64_t headroom = 0;  // negative: over the cap
  bool fits = false;
};
CapCheck check_cap(std::int64_t artifact_bytes, std::int64_t code_bytes, std::int64_t cap = kSizeCap);

// `total` divided in proportion to `weights` (none negative), by largest remainders: the shares add up to `total`.
// With no weight above zero everything goes to the first.
std::vector<std::int64_t> apportion(std::int64_t total, std::span<const double> weights);

// `streams` are those of streams_of(header), in that order, with their bytes; `group_bytes` the packed sizes.
SizeTable attribute_sizes(const Header& header, std::span<const StreamBytes> streams,
                          std::span<const std::int64_t> group_bytes, std::int64_t container_bytes);

}  // namespace caddie::artifact
