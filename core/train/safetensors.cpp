#include "core/train/safetensors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/base/file.hpp"

namespace caddie::train {
namespace {

using Json = nlohmann::json;
constexpr std::uint64_t kMaxHeader = 64u << 20;
constexpr std::size_t kLengthBytes = 8;

// A tensor and where its bytes begin.
struct Placed {
  std::uint64_t begin = 0;
  HostTensor tensor;
};

// The tensor that one header entry describes, or an error that names it.
Result<Placed> read_tensor(const std::string& path, const Json& entry, const Json& metadata,
                           std::span<const std::uint8_t> data, const std::string& where) {
  const auto bad = [&](const char* text) {
    return Error{Code::format, where, fmt::format("tensor \"{}\" {}", path, text)};
  };
  if (!entry.is_object() || entry.value("dtype", Json()) != "F32") return bad("is not of type F32");
  const Json shape = entry.value("shape", Json());
  const Json offsets = entry.value("data_offsets", Json());
  if (!shape.is_array() || shape.size() > graph::Shape::kMaxRank) return bad("has no shape of up to eight axes");
  if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
      !offsets[1].is_number_unsigned()) {
    return bad("has no data_offsets");
  }
  HostTensor tensor;
  tensor.path = path;
  std::uint64_t elements = 1;
  for (const Json& length : shape) {
    if (!length.is_number_unsigned()) return bad("has a length that is no whole number");
    const auto value = length.get<std::uint64_t>();
    if (value == 0 || value > data.size() || elements > data.size() / value) return bad("is larger than the file");
    elements *= value;
    tensor.shape.append(static_cast<std::int64_t>(value));
  }
  const auto begin = offsets[0].get<std::uint64_t>();
  const auto end = offsets[1].get<std::uint64_t>();
  if (begin > end || end > data.size() || end - begin != elements * sizeof(float)) {
    return bad("has offsets that do not fit its shape");
  }
  tensor.values.resize(static_cast<std::size_t>(elements));
  std::memcpy(tensor.values.data(), data.data() + begin, static_cast<std::size_t>(end - begin));
  if (metadata.is_object()) {
    const Json role = metadata.value("role:" + path, Json(""));
    const Json layer = metadata.value("layer:" + path, Json("-1"));
    if (role.is_string()) tensor.role = role.get<std::string>();
    if (layer.is_string()) tensor.layer = static_cast<int>(std::strtol(layer.get<std::string>().c_str(), nullptr, 10));
  }
  return Placed{begin, std::move(tensor)};
}

// Tensors lie one after another, without a gap, an overlap, or bytes that belong to none.
Result<void> check_layout(const std::vector<Placed>& placed, std::uint64_t data_bytes, const std::string& where) {
  std::uint64_t end = 0;
  for (const Placed& next : placed) {
    if (next.begin != end) {
      return Error{Code::format, where,
                   fmt::format("tensor \"{}\" begins at byte {} of the data, the one before it ends at {}",
                               next.tensor.path, next.begin, end)};
    }
    end += next.tensor.values.size() * sizeof(float);
  }
  if (end != data_bytes) {
    return Error{Code::format, where, fmt::format("has {} bytes of data for {} bytes of tensors", data_bytes, end)};
  }
  return {};
}

}  // namespace

std::vector<std::uint8_t> encode_safetensors(const std::vector<HostTensor>& tensors) {
  Json header = Json::object();
  Json metadata = Json::object();
  std::uint64_t offset = 0;
  for (const HostTensor& tensor : tensors) {
    const std::uint64_t end = offset + tensor.values.size() * sizeof(float);
    Json shape = Json::array();
    for (const std::int64_t length : tensor.shape.lengths()) shape.push_back(length);
    header[tensor.path] = {{"dtype", "F32"}, {"shape", std::move(shape)}, {"data_offsets", {offset, end}}};
    metadata["role:" + tensor.path] = tensor.role;
    metadata["layer:" + tensor.path] = std::to_string(tensor.layer);
    offset = end;
  }
  header["__metadata__"] = std::move(metadata);
  std::string text =
      header.dump(-1, ' ', false, Json::error_handler_t::replace);  // never throws, whatever a path holds
  text.resize((text.size() + 7) / 8 * 8, ' ');  // tensors begin at a multiple of eight

  std::vector<std::uint8_t> bytes(kLengthBytes + text.size() + offset);
  const std::uint64_t length = text.size();
  std::memcpy(bytes.data(), &length, kLengthBytes);
  std::memcpy(bytes.data() + kLengthBytes, text.data(), text.size());
  std::uint8_t* at = bytes.data() + kLengthBytes + text.size();
  for (const HostTensor& tensor : tensors) {
    const std::size_t size = tensor.values.size() * sizeof(float);
    if (size > 0) std::memcpy(at, tensor.values.data(), size);
    at += size;
  }
  return bytes;
}

Result<std::vector<HostTensor>> decode_safetensors(std::span<const std::uint8_t> bytes, const std::string& where) {
  std::uint64_t length = 0;
  if (bytes.size() < kLengthBytes) return Error{Code::format, where, "is too short for a safetensors file"};
  std::memcpy(&length, bytes.data(), kLengthBytes);
  if (length > kMaxHeader || length > bytes.size() - kLengthBytes) {
    return Error{Code::format, where, fmt::format("claims a header of {} bytes, which it does not have", length)};
  }
  const auto* text = reinterpret_cast<const char*>(bytes.data() + kLengthBytes);
  const Json header = Json::parse(text, text + length, nullptr, false);
  if (!header.is_object()) return Error{Code::format, where, "has a header that is no JSON object"};
  const auto data = bytes.subspan(kLengthBytes + static_cast<std::size_t>(length));
  const Json metadata = header.value("__metadata__", Json::object());
  std::vector<Placed> placed;
  for (const auto& [path, entry] : header.items()) {
    if (path == "__metadata__") continue;
    auto tensor = read_tensor(path, entry, metadata, data, where);
    if (!tensor) return tensor.error();
    placed.push_back(std::move(*tensor));
  }
  std::ranges::sort(placed, {}, &Placed::begin);
  if (auto done = check_layout(placed, data.size(), where); !done) return done.error();
  std::vector<HostTensor> tensors;
  for (Placed& next : placed) tensors.push_back(std::move(next.tensor));
  return tensors;
}

Result<void> write_safetensors(const std::filesystem::path& path, const std::vector<HostTensor>& tensors) {
  return write_atomically(path, encode_safetensors(tensors));
}

Result<std::vector<HostTensor>> read_safetensors(const std::filesystem::path& path) {
  const auto bytes = read_bytes(path);
  if (!bytes) return bytes.error();
  return decode_safetensors(*bytes, path.string());
}

}  // namespace caddie::train
