#include "core/artifact/container.hpp"

#include <fmt/format.h>
#include <zstd.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>
#include <memory>

#include "core/base/hash.hpp"
#include "core/base/text.hpp"

namespace caddie::artifact {
namespace {

static_assert(std::endian::native == std::endian::little, "artifacts are written as they lie in memory");

constexpr std::array<std::uint8_t, 8> kMagic = {'C', 'A', 'D', 'D', 'I', 'E', 0x1A, 0x0A};

struct Prefix {
  std::array<std::uint8_t, 8> magic;
  std::uint32_t version;
  std::uint32_t groups;
  std::uint32_t packed_header;
  std::uint32_t header;
  std::uint64_t total;
  Sha256Digest digest;
};
static_assert(sizeof(Prefix) == kPrefixBytes && offsetof(Prefix, digest) == 32);

std::string bytes_text(std::uint64_t size) { return with_separators(static_cast<std::int64_t>(size)); }

Sha256Digest digest_of(std::span<const std::uint8_t> bytes) {
  return Sha256().update(bytes.first(offsetof(Prefix, digest))).update(bytes.subspan(kPrefixBytes)).finish();
}

// The header's coder is part of the format: zstd without content size and checksum, which stand in the prefix.
Result<std::vector<std::uint8_t>> pack_header(std::string_view header) {
  const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(), ZSTD_freeCCtx);
  if (!context) return Error{Code::memory, "artifact", "there is no memory to pack the header"};
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, 19);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_contentSizeFlag, 0);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 0);
  std::vector<std::uint8_t> packed(ZSTD_compressBound(header.size()));
  const std::size_t size = ZSTD_compress2(context.get(), packed.data(), packed.size(), header.data(), header.size());
  if (ZSTD_isError(size) != 0) {
    return Error{Code::internal, "artifact",
                 fmt::format("the header could not be packed: {}", ZSTD_getErrorName(size))};
  }
  packed.resize(size);
  return packed;
}

Result<std::string> unpack_header(std::span<const std::uint8_t> packed, std::size_t size, const std::string& where) {
  std::string header(size, '\0');
  const std::size_t got = ZSTD_decompress(header.data(), header.size(), packed.data(), packed.size());
  if (ZSTD_isError(got) != 0) {
    return Error{Code::format, where, fmt::format("the header could not be unpacked: {}", ZSTD_getErrorName(got))};
  }
  if (got != size) {
    return Error{Code::format, where, fmt::format("the header unpacks to {} bytes, {} were promised", got, size)};
  }
  return header;
}

Result<Prefix> read_prefix(std::span<const std::uint8_t> bytes, const std::string& where) {
  const auto bad = [&](std::string text) { return Error{Code::format, where, std::move(text)}; };
  if (bytes.size() < kPrefixBytes) {
    return bad(
        fmt::format("is {} bytes long, shorter than the {} bytes that begin an artifact", bytes.size(), kPrefixBytes));
  }
  Prefix prefix;
  std::memcpy(&prefix, bytes.data(), sizeof prefix);
  if (prefix.magic != kMagic) return bad("is no artifact: the first eight bytes are not its mark");
  if (prefix.version != kFormatVersion) {
    return bad(fmt::format("is an artifact of version {} (byte 8); this program reads version {}", prefix.version,
                           kFormatVersion));
  }
  if (prefix.total != bytes.size()) {
    return bad(fmt::format("is {} bytes long, but promises {} (byte 24); the file is {}", bytes_text(bytes.size()),
                           bytes_text(prefix.total),
                           bytes.size() < prefix.total ? "truncated: fetch it again" : "followed by other bytes"));
  }
  if (digest_of(bytes) != prefix.digest) {
    return bad("is damaged: its content does not have the SHA-256 digest at byte 32; fetch it again");
  }
  return prefix;
}

}  // namespace

Result<std::vector<std::uint8_t>> format_container(std::string_view header,
                                                   std::span<const std::vector<std::uint8_t>> groups) {
  if (header.size() > kMaxHeaderBytes) {
    return Error{Code::argument, "artifact",
                 fmt::format("the header has {} bytes; at most {} are allowed", bytes_text(header.size()),
                             bytes_text(kMaxHeaderBytes))};
  }
  if (groups.size() > kMaxGroups) {
    return Error{Code::argument, "artifact",
                 fmt::format("{} groups; at most {} are allowed", groups.size(), kMaxGroups)};
  }
  auto packed = pack_header(header);
  if (!packed) return packed.error();

  std::uint64_t total = kPrefixBytes + groups.size() * sizeof(std::uint64_t) + packed->size();
  for (const auto& group : groups) total += group.size();
  std::vector<std::uint8_t> bytes;
  bytes.reserve(static_cast<std::size_t>(total));
  bytes.resize(kPrefixBytes);
  for (const auto& group : groups) {
    const auto size = std::bit_cast<std::array<std::uint8_t, 8>>(static_cast<std::uint64_t>(group.size()));
    bytes.insert(bytes.end(), size.begin(), size.end());
  }
  bytes.insert(bytes.end(), packed->begin(), packed->end());
  for (const auto& group : groups) bytes.insert(bytes.end(), group.begin(), group.end());

  Prefix prefix{kMagic,
                kFormatVersion,
                static_cast<std::uint32_t>(groups.size()),
                static_cast<std::uint32_t>(packed->size()),
                static_cast<std::uint32_t>(header.size()),
                total,
                {}};
  std::memcpy(bytes.data(), &prefix, sizeof prefix);
  prefix.digest = digest_of(bytes);
  std::memcpy(bytes.data(), &prefix, sizeof prefix);
  return bytes;
}

Result<Container> parse_container(std::span<const std::uint8_t> bytes, const std::string& where) {
  auto prefix = read_prefix(bytes, where);
  if (!prefix) return prefix.error();
  const auto bad = [&](std::string text) { return Error{Code::format, where, std::move(text)}; };
  if (prefix->groups > kMaxGroups)
    return bad(fmt::format("promises {} groups (byte 12); at most {} are allowed", prefix->groups, kMaxGroups));
  if (prefix->header > kMaxHeaderBytes) {
    return bad(fmt::format("promises a header of {} bytes (byte 20); at most {} are allowed", prefix->header,
                           kMaxHeaderBytes));
  }
  std::size_t at = kPrefixBytes;
  const std::size_t table_bytes = prefix->groups * sizeof(std::uint64_t);
  if (table_bytes > bytes.size() - at)
    return bad(fmt::format("ends inside the table of its {} groups (byte {})", prefix->groups, at));
  std::vector<std::uint64_t> sizes(prefix->groups);
  if (table_bytes > 0) std::memcpy(sizes.data(), bytes.data() + at, table_bytes);
  at += table_bytes;
  if (prefix->packed_header > bytes.size() - at) {
    return bad(fmt::format("ends inside its header: {} bytes are promised at byte {}", prefix->packed_header, at));
  }
  Container container;
  container.packed_header_bytes = prefix->packed_header;
  container.digest = to_hex(prefix->digest);
  auto header = unpack_header(bytes.subspan(at, prefix->packed_header), prefix->header, where);
  if (!header) return header.error();
  container.header = std::move(*header);
  at += prefix->packed_header;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] > bytes.size() - at) {
      return bad(fmt::format("ends inside group {}: {} bytes are promised at byte {}", i, bytes_text(sizes[i]), at));
    }
    container.groups.push_back(bytes.subspan(at, static_cast<std::size_t>(sizes[i])));
    at += static_cast<std::size_t>(sizes[i]);
  }
  if (at != bytes.size()) return bad(fmt::format("has bytes after its last group, from byte {} on", at));
  return container;
}

}  // namespace caddie::artifact
