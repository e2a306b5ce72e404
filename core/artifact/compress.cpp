#include "core/artifact/compress.hpp"

#include <fmt/format.h>

#include <cstring>

#include "core/plugins/call.hpp"
#include "core/plugins/claims.hpp"
#include "core/plugins/stream.hpp"

namespace caddie::artifact {
namespace {

using plugins::Object;

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
    return Error{
        Code::format, "",
        fmt::format("a group stored as it is has {} bytes; its streams need {}", packed.size(), total_bytes(streams))};
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
  for (const StreamBytes& stream : streams)
    back.push_back({stream.name, std::vector<std::uint8_t>(stream.bytes.size())});
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
  plugins::StreamSink sink(2 * total_bytes(streams) + (1u << 20));
  const auto called = plugins::call_plugin(compressor.instance(), [&](caddie_error* error) {
    return compressor.table<caddie_compressor>().pack(compressor.abi(), list.data(),
                                                      static_cast<std::uint32_t>(list.size()), sink.abi(), error);
  });
  if (sink.overflowed()) {
    return Error{Code::internal, compressor.instance(), "writes more than twice what it was given; it is defective"};
  }
  if (!called) return called.error();
  std::vector<std::uint8_t> packed = sink.take();
  if (auto checked = check_round_trip(compressor, packed, streams); !checked) return checked.error();
  return packed;
}

Result<void> unpack_group(const Object* compressor, std::span<const std::uint8_t> packed,
                          std::span<StreamBytes> streams) {
  if (compressor == nullptr) return split_stored(packed, streams);
  std::vector<caddie_bytes> list = views(streams);
  const caddie_str bytes{reinterpret_cast<const char*>(packed.data()), packed.size()};
  return plugins::call_plugin(compressor->instance(), [&](caddie_error* error) {
    return compressor->table<caddie_compressor>().unpack(compressor->abi(), bytes, list.data(),
                                                         static_cast<std::uint32_t>(list.size()), error);
  });
}

}  // namespace caddie::artifact
