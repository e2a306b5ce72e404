#include "core/artifact/artifact.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <deque>
#include <new>

#include "core/artifact/container.hpp"
#include "core/base/text.hpp"

namespace caddie::artifact {
namespace {

using plugins::Object;

template <class Entry>
PluginRecord record_of(const Entry& entry) {
  const plugins::Description& description = entry.object->description();
  return {entry.object->instance(), description.id, description.version, entry.config};
}

TensorRecord record_of(const QuantizedTensor& tensor) {
  TensorRecord record{tensor.id, {}};
  for (const Encoding& encoding : tensor.encodings) {
    EncodingRecord& coded = record.encodings.emplace_back();
    coded.quantizer = encoding.quantizer;
    for (const Part& part : encoding.parts)
      coded.parts.push_back({part.name, static_cast<std::int64_t>(part.bytes.size())});
  }
  return record;
}

// All parts, joined into the streams of the header.
std::vector<StreamBytes> join_parts(const Quantized& quantized, const std::vector<Stream>& streams) {
  std::vector<StreamBytes> joined;
  for (const Stream& stream : streams) {
    StreamBytes& out = joined.emplace_back();
    out.name = stream.name;
    out.bytes.reserve(static_cast<std::size_t>(stream.bytes));
    for (const QuantizedTensor& tensor : quantized.tensors) {
      for (const Encoding& encoding : tensor.encodings) {
        if (encoding.quantizer != stream.quantizer) continue;
        for (const Part& part : encoding.parts) {
          if (part.name == stream.part) out.bytes.insert(out.bytes.end(), part.bytes.begin(), part.bytes.end());
        }
      }
    }
  }
  return joined;
}

// The reverse of join_parts: the header says how long each part is, and has been checked to add up.
Quantized split_streams(const Header& header, const std::vector<Stream>& streams,
                        const std::vector<StreamBytes>& joined) {
  std::map<std::pair<std::size_t, std::string>, std::span<const std::uint8_t>> rest;
  for (std::size_t i = 0; i < streams.size(); ++i) rest[{streams[i].quantizer, streams[i].part}] = joined[i].bytes;
  Quantized quantized;
  for (const TensorRecord& record : header.tensors) {
    QuantizedTensor& tensor = quantized.tensors.emplace_back();
    tensor.id = record.id;
    for (const EncodingRecord& coded : record.encodings) {
      Encoding& encoding = tensor.encodings.emplace_back();
      encoding.quantizer = coded.quantizer;
      for (const PartRecord& part : coded.parts) {
        auto& bytes = rest.at({coded.quantizer, part.name});
        const auto mine = bytes.first(static_cast<std::size_t>(part.bytes));
        bytes = bytes.subspan(mine.size());
        encoding.parts.push_back({part.name, std::vector<std::uint8_t>(mine.begin(), mine.end())});
      }
    }
  }
  return quantized;
}

// The streams of each group, as indices into `streams`.
std::vector<std::vector<std::size_t>> group_members(const Header& header, const std::vector<Stream>& streams) {
  std::map<std::string_view, std::size_t> index;
  for (std::size_t i = 0; i < streams.size(); ++i) index[streams[i].name] = i;
  std::vector<std::vector<std::size_t>> members;
  for (const GroupRecord& group : header.groups) {
    auto& list = members.emplace_back();
    for (const std::string& name : group.streams) list.push_back(index.at(name));
  }
  return members;
}

// Fills the header's groups from the compressors' globs.
Result<std::vector<const Object*>> plan_groups(Header& header, const std::vector<Stream>& streams,
                                               std::span<const CompressorEntry> compressors) {
  std::vector<std::string> names;
  for (const Stream& stream : streams) names.push_back(stream.name);
  auto routes = route_streams(names, compressors);
  if (!routes) return routes.error();
  std::vector<const Object*> objects;
  if (compressors.empty()) {
    header.groups.push_back({std::nullopt, names});
    objects.push_back(nullptr);
  }
  for (std::size_t i = 0; i < compressors.size(); ++i) {
    if ((*routes)[i].empty()) continue;
    GroupRecord& group = header.groups.emplace_back();
    group.compressor = record_of(compressors[i]);
    for (const std::size_t stream : (*routes)[i]) group.streams.push_back(names[stream]);
    objects.push_back(compressors[i].object);
  }
  if (header.groups.size() > kMaxGroups) {
    return Error{Code::argument, "compress",
                 fmt::format("{} groups; at most {} are allowed", header.groups.size(), kMaxGroups)};
  }
  return objects;
}

// The streams of a group, taken out of the list, and put back.
std::vector<StreamBytes> take(std::vector<StreamBytes>& streams, const std::vector<std::size_t>& members) {
  std::vector<StreamBytes> taken;
  for (const std::size_t member : members) taken.push_back(std::move(streams[member]));
  return taken;
}
void put_back(std::vector<StreamBytes>& streams, const std::vector<std::size_t>& members,
              std::vector<StreamBytes>& taken) {
  for (std::size_t i = 0; i < members.size(); ++i) streams[members[i]] = std::move(taken[i]);
}

Result<std::vector<std::uint8_t>> pack_or_store(const Object* compressor, std::span<const StreamBytes> streams) {
  if (compressor != nullptr) return pack_group(*compressor, streams);
  std::vector<std::uint8_t> stored;
  for (const StreamBytes& stream : streams) stored.insert(stored.end(), stream.bytes.begin(), stream.bytes.end());
  return stored;
}

std::string major_of(const std::string& version) { return version.substr(0, version.find('.')); }

// Makes the object that a record names. A plugin of another major version may decode to other values and is refused.
Result<Object> make_object(const Decoders& decoders, std::string_view interface, const PluginRecord& record,
                           const std::string& where) {
  const plugins::Description* found = decoders.registry->find(interface, record.id);
  if (found == nullptr) {
    return Error{Code::unsupported, where,
                 fmt::format("needs the {} \"{}\" ({}), which is in none of the plugin folders{}", interface, record.id,
                             record.version, did_you_mean(record.id, decoders.registry->ids(interface)))};
  }
  if (major_of(found->version) != major_of(record.version)) {
    return Error{
        Code::unsupported, where,
        fmt::format("was written with {} {}; the plugin here is {} and may read it otherwise: use version {}.x",
                    record.id, record.version, found->version, major_of(record.version))};
  }
  nlohmann::json config = record.config;
  if (decoders.check) {
    auto checked = decoders.check(*found, record.config);
    if (!checked)
      return Error{checked.error().code, where, fmt::format("{}: {}", record.instance, checked.error().message())};
    config = std::move(*checked);
  }
  return Object::create(*decoders.registry, interface, record.id, record.instance, config, *decoders.host);
}

Error out_of_memory(const std::string& where) {
  return {Code::memory, where, "there is not enough memory for the tensors that the artifact describes"};
}

}  // namespace

Result<Written> write_artifact(const WriteRequest& request) {
  Header header;
  header.manifest = request.manifest;
  header.run = request.run;
  for (const QuantizerEntry& entry : request.quantizers) header.quantizers.push_back(record_of(entry));
  for (const QuantizedTensor& tensor : request.quantized->tensors) header.tensors.push_back(record_of(tensor));
  const std::vector<Stream> streams = streams_of(header);
  auto objects = plan_groups(header, streams, request.compressors);
  if (!objects) return objects.error();
  const auto members = group_members(header, streams);
  std::vector<StreamBytes> joined = join_parts(*request.quantized, streams);

  std::vector<std::vector<std::uint8_t>> groups;
  std::vector<std::int64_t> group_bytes;
  std::int64_t packed_bytes = 0;
  for (std::size_t i = 0; i < members.size(); ++i) {
    std::vector<StreamBytes> taken = take(joined, members[i]);
    auto packed = pack_or_store((*objects)[i], taken);
    put_back(joined, members[i], taken);
    if (!packed) return packed.error();
    group_bytes.push_back(static_cast<std::int64_t>(packed->size()));
    packed_bytes += group_bytes.back();
    groups.push_back(std::move(*packed));
  }
  std::string text;
  try {
    text = header_text(header);
  } catch (const nlohmann::json::exception&) {
    return Error{Code::argument, "artifact", "the manifest or a tensor's name is not UTF-8"};
  }
  // What cannot be read back must not be written.
  if (auto readable = parse_header(text, Limits{}, "artifact"); !readable) return readable.error();
  auto bytes = format_container(text, groups);
  if (!bytes) return bytes.error();
  const std::int64_t container_bytes = static_cast<std::int64_t>(bytes->size()) - packed_bytes;
  return Written{std::move(*bytes), attribute_sizes(header, joined, group_bytes, container_bytes)};
}

Result<Artifact> Artifact::open(std::vector<std::uint8_t> bytes, const std::string& where, const Limits& limits) {
  Artifact artifact;
  artifact.bytes_ = std::move(bytes);
  artifact.where_ = where;
  auto container = parse_container(artifact.bytes_, where);
  if (!container) return container.error();
  auto header = parse_header(container->header, limits, where);
  if (!header) return header.error();
  if (header->groups.size() != container->groups.size()) {
    return Error{
        Code::format, where,
        fmt::format("has {} groups, its header describes {}", container->groups.size(), header->groups.size())};
  }
  for (const auto group : container->groups) {
    artifact.groups_.push_back({static_cast<std::size_t>(group.data() - artifact.bytes_.data()), group.size()});
  }
  artifact.header_ = std::move(*header);
  artifact.digest_ = std::move(container->digest);
  return artifact;
}

Result<std::vector<StreamBytes>> Artifact::unpack(const Decoders& decoders) const {
  const std::vector<Stream> streams = streams_of(header_);
  const auto members = group_members(header_, streams);
  std::vector<StreamBytes> out(streams.size());
  try {
    for (std::size_t i = 0; i < members.size(); ++i) {
      std::vector<StreamBytes> group;
      for (const std::size_t member : members[i]) {
        group.push_back(
            {streams[member].name, std::vector<std::uint8_t>(static_cast<std::size_t>(streams[member].bytes))});
      }
      Object compressor;
      const auto& record = header_.groups[i].compressor;
      if (record) {
        auto made = make_object(decoders, "compressor", *record, where_);
        if (!made) return made.error();
        compressor = std::move(*made);
      }
      const auto packed = std::span(bytes_).subspan(groups_[i].begin, groups_[i].size);
      if (auto unpacked = unpack_group(record ? &compressor : nullptr, packed, group); !unpacked) {
        return Error{unpacked.error().code, where_,
                     fmt::format("group {} at byte {}: {}", i, groups_[i].begin, unpacked.error().message())};
      }
      put_back(out, members[i], group);
    }
  } catch (const std::bad_alloc&) {
    return out_of_memory(where_);
  }
  return out;
}

Result<Quantized> Artifact::parts(const Decoders& decoders) const {
  auto streams = unpack(decoders);
  if (!streams) return streams.error();
  return split_streams(header_, streams_of(header_), *streams);
}

Result<std::vector<NamedTensor>> Artifact::decode(const Decoders& decoders) const {
  std::deque<Object> quantizers;
  std::vector<const Object*> objects;
  for (const PluginRecord& record : header_.quantizers) {
    auto made = make_object(decoders, "quantizer", record, where_);
    if (!made) return made.error();
    quantizers.push_back(std::move(*made));
    objects.push_back(&quantizers.back());
  }
  auto coded = parts(decoders);
  if (!coded) return coded.error();
  std::vector<NamedTensor> weights;
  try {
    for (const QuantizedTensor& tensor : coded->tensors) {
      auto decoded = decode_tensor(tensor, objects);
      if (!decoded) return Error{decoded.error().code, where_, decoded.error().message()};
      weights.push_back(std::move(*decoded));
    }
  } catch (const std::bad_alloc&) {
    return out_of_memory(where_);
  }
  return weights;
}

Result<SizeTable> Artifact::sizes(const Decoders& decoders) const {
  auto streams = unpack(decoders);
  if (!streams) return streams.error();
  std::vector<std::int64_t> group_bytes;
  std::int64_t container_bytes = total_bytes();
  for (const Extent& group : groups_) {
    group_bytes.push_back(static_cast<std::int64_t>(group.size));
    container_bytes -= group_bytes.back();
  }
  return attribute_sizes(header_, *streams, group_bytes, container_bytes);
}

}  // namespace caddie::artifact
