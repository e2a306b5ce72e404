// Digests: SHA-256 names contents (stages, plugins, ledgers), XXH3-128 checks integrity of large files. Any thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace caddie {

using Sha256Digest = std::array<std::uint8_t, 32>;

// Feeds bytes one piece after another. Not shared between threads.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  Sha256& update(std::span<const std::uint8_t> bytes);
  Sha256& update(std::string_view text);
  // Ends the digest; no update afterwards.
  Sha256Digest finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

Sha256Digest sha256(std::span<const std::uint8_t> bytes);
Sha256Digest sha256(std::string_view text);

// Lower-case hexadecimal.
std::string to_hex(std::span<const std::uint8_t> bytes);
std::string sha256_hex(std::string_view text);
std::string sha256_hex(std::span<const std::uint8_t> bytes);

// XXH3-128 in hexadecimal, for integrity and not for names.
std::string xxh3_hex(std::span<const std::uint8_t> bytes);

// 64-bit XXH3 of a text: ids of random streams and sites, which must never change between versions.
std::uint64_t hash_text(std::string_view text);

}  // namespace caddie
