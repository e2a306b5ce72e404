#include "core/artifact/compress.hpp"

#include <fmt/format.h>

#include <cstring>

#include "core/plugins/claims.hpp"

namespace caddie::artifact {
namespace {

using plugins::Object;

// What a compressor writes to; refuses to grow beyond `most`.
struct Sink {
  std::vector<std::uint8_t> bytes;
  std::size_t most = 0;
  bool overflowed = false;
};

std::int64_t write_sink(const caddie_stream* stream, const void* from, std::uint64_t size) {
  auto& sink = *static_cast<Sink*>(stream->context);
  if (size > sink.most - sink.bytes.size()) {
    sink.overflowed = true;
    return -1;
  }
  try {
    const auto* begin = static_cast<const std::uint8_t*>(from);
    sink.bytes.insert(sink.bytes.end(), begin, begin + size);
  } catch (...) {
    return -1;
  }
  return static_cast<std::int64_t>(size);
}

std::int64_t read_nothing(const caddie_stream*, void*, std::uint64_t) { return -1; }

// The same streams for a plugin. The memory stays ours; packing does not write to it.
std::vector<caddie_bytes> views(std::span<const StreamBytes> streams) {
  std::vector<caddie_bytes> list;
  for (const StreamBytes& stream : streams) {
    list.push_back({stream.name.c_str(), const_cast<std::uint8_t*>(stream.bytes.data()), stream.bytes.size()});
  }
  return list;
}

std::size_t total_bytes(std::span<const StreamBytes> streams) {
  std::size_t total = 0;
  for (const StreamBytes& stream : streams) total += stream.bytes.size();
  return total;
}

Result<void> split_stored(std::span<const std::uint8_t> packed, std::span<StreamBytes> streams) {
  if (packed.size() != total_bytes(streams)) {
    return Error{Code::format, "", fmt::format("a group stored as it is has {} bytes; its streams need {}", packed.size(),
                                               total_bytes(streams))};
  }
  for (StreamBytes& stream : streams) {
    if (!stream.bytes.empty()) std::memcpy(stream.bytes.data(), packed.data(), stream.bytes.size());
    packed = packed.subspan(stream.bytes.size());
  }
  return {};
}

Result<void> check_round_trip(const Object& compressor, std::span<const std::uint8_t> packed,
                              std::span<const StreamBytes> streams) {
  std::vector<StreamBytes> back;
  for (const StreamBytes& stream : streams) back.push_back({stream.name, std::vector<std::uint8_t>(stream.bytes.size())});
  if (auto unpacked = unpack_group(&compressor, packed, back); !unpacked) return unpacked;
  for (std::size_t i = 0; i < streams.size(); ++i) {
    if (back[i].bytes == streams[i].bytes) continue;
    return Error{Code::internal, compressor.instance(),
                 fmt::format("does not give the stream {} back as it was; {} {} is defective", streams[i].name,
                             compressor.description().id, compressor.description().version)};
  }
  return {};
}

}  // namespace

Result<std::vector<std::vector<std::size_t>>> route_streams(std::span<const std::string> streams,
                                                            std::span<const CompressorEntry> entries) {
  std::vector<std::vector<std::size_t>> routes(entries.size());
  if (entries.empty()) return routes;
  std::vector<plugins::TensorKey> keys;
  for (const std::string& name : streams) keys.push_back({name, "stream"});
  std::vector<plugins::Claimant> claimants;
  for (const CompressorEntry& entry : entries) {
    plugins::Claims claims;
    claims.names = entry.streams;
    claimants.push_back({entry.object->instance(), std::move(claims), entry.allow_inert});
  }
  auto owners = plugins::assign_owners(keys, claimants, "compressor");
  if (!owners) return Error{owners.error().code, "compress", owners.error().text};
  for (std::size_t i = 0; i < owners->size(); ++i) routes[(*owners)[i]].push_back(i);
  return routes;
}

Result<std::vector<std::uint8_t>> pack_group(const Object& compressor, std::span<const StreamBytes> streams) {
  std::vector<caddie_bytes> list = views(streams);
  Sink sink;
  sink.most = 2 * total_bytes(streams) + (1u << 20);
  const caddie_stream out{sizeof(caddie_stream), 0, &sink, read_nothing, write_sink};
  caddie_error error = plugins::fresh_error();
  const auto& table = compressor.table<caddie_compressor>();
  const caddie_code code = table.pack(compressor.abi(), list.data(), static_cast<std::uint32_t>(list.size()), &out, &error);
  if (sink.overflowed) {
    return Error{Code::internal, compressor.instance(), "writes more than twice what it was given; it is defective"};
  }
  if (code != CADDIE_OK) return plugins::to_error(code, error, compressor.instance());
  if (auto checked = check_round_trip(compressor, sink.bytes, streams); !checked) return checked.error();
  return std::move(sink.bytes);
}

Result<void> unpack_group(const Object* compressor, std::span<const std::uint8_t> packed, std::span<StreamBytes> streams) {
  if (compressor == nullptr) return split_stored(packed, streams);
  std::vector<caddie_bytes> list = views(streams);
  caddie_error error = plugins::fresh_error();
  const caddie_str bytes{reinterpret_cast<const char*>(packed.data()), packed.size()};
  const auto& table = compressor->table<caddie_compressor>();
  const caddie_code code = table.unpack(compressor->abi(), bytes, list.data(), static_cast<std::uint32_t>(list.size()), &error);
  if (code != CADDIE_OK) return plugins::to_error(code, error, compressor->instance());
  return {};
}

}  // namespace caddie::artifact
