#include "core/artifact/header.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "core/artifact/container.hpp"
#include "core/artifact/parts.hpp"

namespace caddie::artifact {
namespace {

using Json = nlohmann::json;

// Thrown by the readers below and caught by parse_header: what is wrong, with its JSON pointer.
struct Bad {
  std::string text;
};

// A value of the header and where it stands.
class Node {
 public:
  Node(const Json& json, std::string path) : json_(json), path_(std::move(path)) {}

  [[noreturn]] void fail(const std::string& what) const { throw Bad{fmt::format("{}: {}", path_, what)}; }

  [[nodiscard]] bool has(const char* key) const { return object().contains(key); }
  [[nodiscard]] Node at(const char* key) const {
    const Json& json = object();
    if (!json.contains(key)) fail(fmt::format("\"{}\" is missing", key));
    return {json.at(key), path_ + "/" + key};
  }
  void only(std::initializer_list<const char*> known) const {
    for (const auto& item : object().items()) {
      const std::string& key = item.key();
      const bool found = std::any_of(known.begin(), known.end(), [&](const char* name) { return key == name; });
      if (!found) fail(fmt::format("\"{:.60}\" is unknown", key));
    }
  }
  [[nodiscard]] const Json& object() const {
    if (!json_.is_object()) fail("is no object");
    return json_;
  }
  [[nodiscard]] std::vector<Node> items() const {
    if (!json_.is_array()) fail("is no list");
    std::vector<Node> nodes;
    nodes.reserve(json_.size());
    for (std::size_t i = 0; i < json_.size(); ++i) nodes.emplace_back(json_[i], fmt::format("{}/{}", path_, i));
    return nodes;
  }
  [[nodiscard]] std::string text() const {
    if (!json_.is_string()) fail("is no text");
    const auto& text = json_.get_ref<const std::string&>();
    if (text.empty() || text.size() > 512) fail("is a text that is empty or longer than 512 bytes");
    if (text.find('\0') != std::string::npos) fail("is a text with a zero byte");
    return text;
  }
  [[nodiscard]] std::int64_t integer(std::int64_t low, std::int64_t high) const {
    const bool whole = json_.is_number_integer() &&
                       !(json_.is_number_unsigned() && json_.get<std::uint64_t>() > std::uint64_t{1} << 62);
    if (!whole || json_.get<std::int64_t>() < low || json_.get<std::int64_t>() > high) {
      fail(fmt::format("is no whole number from {} to {}", low, high));
    }
    return json_.get<std::int64_t>();
  }
  [[nodiscard]] const Json& json() const { return json_; }

 private:
  const Json& json_;
  std::string path_;
};

PluginRecord read_plugin(const Node& node, std::initializer_list<const char*> known) {
  node.only(known);
  PluginRecord record{node.at("instance").text(), node.at("use").text(), node.at("version").text(), Json::object()};
  if (node.has("config")) record.config = node.at("config").object();
  return record;
}

Json write_plugin(const PluginRecord& record) {
  Json json = {{"instance", record.instance}, {"use", record.id}, {"version", record.version}};
  if (!record.config.empty()) json["config"] = record.config;
  return json;
}

// Takes the bytes of the parts from `left`.
EncodingRecord read_encoding(const Node& node, std::size_t quantizers, std::int64_t elements, Limits& left) {
  node.only({"by", "parts"});
  EncodingRecord encoding;
  if (quantizers == 0) node.fail("there are no quantizers");
  encoding.quantizer = static_cast<std::size_t>(node.at("by").integer(0, static_cast<std::int64_t>(quantizers) - 1));
  const Node parts = node.at("parts");
  std::int64_t room = max_parts_bytes(elements);
  for (const auto& [name, size] : parts.object().items()) {
    if (!is_part_name(name)) parts.fail("a part has an unusable name");
    const std::int64_t bytes = parts.at(name.c_str()).integer(0, std::min(room, left.coded_bytes));
    room -= bytes;
    left.coded_bytes -= bytes;
    encoding.parts.push_back({name, bytes});
  }
  return encoding;
}

// Takes the elements and bytes of the tensor from `left`.
TensorRecord read_tensor(const Node& node, std::size_t quantizers, Limits& left) {
  node.only({"name", "role", "layer", "shape", "coded"});
  TensorRecord record;
  record.id.name = node.at("name").text();
  record.id.role = node.at("role").text();
  if (node.has("layer"))
    record.id.layer = static_cast<int>(node.at("layer").integer(0, std::numeric_limits<int>::max()));
  std::int64_t room = left.elements;
  for (const Node& length : node.at("shape").items()) {
    if (record.id.shape.rank() == graph::Shape::kMaxRank) node.fail("has more than eight axes");
    record.id.shape.append(length.integer(1, room));
    room /= record.id.shape[record.id.shape.rank() - 1];
  }
  const std::int64_t elements = record.id.shape.elements();
  if (elements > left.elements) node.fail("the tensors together have more elements than this reader accepts");
  left.elements -= elements;
  std::set<std::size_t> used;
  for (const Node& coded : node.at("coded").items()) {
    record.encodings.push_back(read_encoding(coded, quantizers, elements, left));
    if (!used.insert(record.encodings.back().quantizer).second) coded.fail("a quantizer coded this tensor twice");
  }
  if (record.encodings.empty()) node.fail("nothing codes this tensor");
  return record;
}

Json write_tensor(const TensorRecord& record) {
  Json shape = Json::array();
  for (const std::int64_t length : record.id.shape.lengths()) shape.push_back(length);
  Json coded = Json::array();
  for (const EncodingRecord& encoding : record.encodings) {
    Json parts = Json::object();
    for (const PartRecord& part : encoding.parts) parts[part.name] = part.bytes;
    coded.push_back({{"by", encoding.quantizer}, {"parts", parts}});
  }
  Json json = {{"name", record.id.name}, {"role", record.id.role}, {"shape", shape}, {"coded", coded}};
  if (record.id.layer >= 0) json["layer"] = record.id.layer;
  return json;
}

// Every stream of the tensors is in exactly one group, and the groups have no others.
void check_groups(const Header& header, const Node& groups) {
  std::map<std::string, int> seen;
  for (const Stream& stream : streams_of(header)) {
    if (!seen.emplace(stream.name, 0).second) groups.fail(fmt::format("two streams are called {:.80}", stream.name));
  }
  for (const GroupRecord& group : header.groups) {
    for (const std::string& name : group.streams) {
      const auto at = seen.find(name);
      if (at == seen.end()) groups.fail(fmt::format("no tensor has the stream {:.80}", name));
      if (++at->second > 1) groups.fail(fmt::format("the stream {:.80} is there twice", name));
    }
  }
  for (const auto& [name, count] : seen) {
    if (count == 0) groups.fail(fmt::format("the stream {:.80} is in no group", name));
  }
}

Header read_header(const Json& json, const Limits& limits) {
  const Node root(json, "");
  root.only({"manifest", "run", "quantizers", "tensors", "groups"});
  Header header;
  header.manifest = root.at("manifest").json();
  header.run = root.at("run").json();
  std::set<std::string> names;
  for (const Node& node : root.at("quantizers").items()) {
    header.quantizers.push_back(read_plugin(node, {"instance", "use", "version", "config"}));
    if (!names.insert(header.quantizers.back().instance).second) node.fail("two quantizers have this instance name");
  }
  names.clear();
  Limits left = limits;
  const Node tensors = root.at("tensors");
  if (static_cast<std::int64_t>(tensors.json().size()) > limits.tensors)
    tensors.fail("there are more tensors than this reader accepts");
  for (const Node& node : tensors.items()) {
    header.tensors.push_back(read_tensor(node, header.quantizers.size(), left));
    if (!names.insert(header.tensors.back().id.name).second) node.fail("two tensors have this name");
  }
  for (const Node& node : root.at("groups").items()) {
    GroupRecord group;
    if (node.has("use")) {
      group.compressor = read_plugin(node, {"instance", "use", "version", "config", "streams"});
    } else {
      node.only({"streams"});
    }
    for (const Node& name : node.at("streams").items()) group.streams.push_back(name.text());
    header.groups.push_back(std::move(group));
  }
  if (header.groups.size() > kMaxGroups) root.fail("there are too many groups");
  check_groups(header, root.at("groups"));
  return header;
}

// How deeply lists and objects are nested: what follows reads and writes JSON recursively.
bool nested_too_deeply(std::string_view text, int limit) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '[' || c == '{') {
      if (++depth > limit) return true;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return false;
}

}  // namespace

std::string header_text(const Header& header) {
  Json json = {{"manifest", header.manifest}, {"run", header.run}};
  json["quantizers"] = Json::array();
  for (const PluginRecord& record : header.quantizers) json["quantizers"].push_back(write_plugin(record));
  json["tensors"] = Json::array();
  for (const TensorRecord& record : header.tensors) json["tensors"].push_back(write_tensor(record));
  json["groups"] = Json::array();
  for (const GroupRecord& group : header.groups) {
    Json entry = group.compressor ? write_plugin(*group.compressor) : Json::object();
    entry["streams"] = group.streams;
    json["groups"].push_back(std::move(entry));
  }
  return json.dump();
}

Result<Header> parse_header(std::string_view text, const Limits& limits, const std::string& where) {
  const auto bad = [&](const std::string& what) {
    return Error{Code::format, where, "the header is damaged: " + what};
  };
  if (nested_too_deeply(text, 64)) return bad("it is nested more than 64 deep");
  const Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return bad("it is no JSON");
  if (json.dump() != text) return bad("it is not canonical JSON");
  try {
    return read_header(json, limits);
  } catch (const Bad& problem) {
    return bad(problem.text);
  }
}

std::vector<Stream> streams_of(const Header& header) {
  std::map<std::pair<std::size_t, std::string>, std::int64_t> sizes;
  for (const TensorRecord& tensor : header.tensors) {
    for (const EncodingRecord& encoding : tensor.encodings) {
      for (const PartRecord& part : encoding.parts) sizes[{encoding.quantizer, part.name}] += part.bytes;
    }
  }
  std::vector<Stream> streams;
  for (const auto& [key, bytes] : sizes) {
    streams.push_back({header.quantizers[key.first].instance + "." + key.second, key.first, key.second, bytes});
  }
  return streams;
}

}  // namespace caddie::artifact
