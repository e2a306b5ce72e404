// The bytes of artifact.caddie: a fixed prefix, a packed header text, and packed groups; a digest over all of it. This
// layer knows neither plugins nor JSON. docs/formats/artifact.md describes every byte. Any thread.
//
//    0  magic "CADDIE" 0x1A 0x0A
//    8  u32 version            12  u32 groups
//   16  u32 packed header      20  u32 header (bytes, unpacked)
//   24  u64 whole file         32  SHA-256 of bytes [0, 32) and [64, end)
//   64  u64 size of each group, then the packed header, then the groups, end to end
//
// Numbers are little-endian.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

namespace caddie::artifact {

inline constexpr std::uint32_t kFormatVersion = 1;
inline constexpr std::size_t kPrefixBytes = 64;
inline constexpr std::uint32_t kMaxGroups = 256;
inline constexpr std::uint32_t kMaxHeaderBytes = 16u << 20;

// What parse_container found. The groups borrow from the bytes.
struct Container {
  std::string header;  // unpacked text
  std::vector<std::span<const std::uint8_t>> groups;
  std::int64_t packed_header_bytes = 0;
  std::string digest;  // hexadecimal
};

// Same header and groups, same bytes.
Result<std::vector<std::uint8_t>> format_container(std::string_view header,
                                                   std::span<const std::vector<std::uint8_t>> groups);

// Any bytes at all: every length is checked against what remains, and the digest against the content, before anything
// else is believed. Errors say what is wrong and at which byte. `where` is for errors.
Result<Container> parse_container(std::span<const std::uint8_t> bytes, const std::string& where);

}  // namespace caddie::artifact
