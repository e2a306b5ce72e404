// Runs one quantizer or compressor plugin of the build tree through its C table. One thread.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/plugins/object.hpp"
#include "core/plugins/stream.hpp"
#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {

// What a quantizer stored. It stands behind the ABI's opaque caddie_parts.
struct StoredParts {
  std::map<std::string, std::vector<std::uint8_t>> bytes;

  template <class T>
  [[nodiscard]] std::vector<T> get(const std::string& name) const {
    const auto& part = bytes.at(name);
    std::vector<T> values(part.size() / sizeof(T));
    EXPECT_EQ(part.size() % sizeof(T), 0u);
    std::memcpy(values.data(), part.data(), part.size());
    return values;
  }
  caddie_parts* abi() { return reinterpret_cast<caddie_parts*>(this); }

  static const caddie_host_parts* table() {
    static const caddie_host_parts parts = {
        sizeof(caddie_host_parts), 0,
        [](caddie_parts* self, const char* name, const void* from, std::uint64_t size) -> caddie_code {
          const auto* begin = static_cast<const std::uint8_t*>(from);
          auto& bytes = reinterpret_cast<StoredParts*>(self)->bytes;
          return bytes.emplace(name, std::vector<std::uint8_t>(begin, begin + size)).second ? CADDIE_OK
                                                                                            : CADDIE_ERROR_ARGUMENT;
        },
        [](const caddie_parts* self, const char* name) -> caddie_str {
          const auto& bytes = reinterpret_cast<const StoredParts*>(self)->bytes;
          const auto at = bytes.find(name);
          if (at == bytes.end()) return {nullptr, 0};
          return {reinterpret_cast<const char*>(at->second.data()), at->second.size()};
        }};
    return &parts;
  }
};

// A tensor to be quantized.
struct Tensor {
  std::vector<std::int64_t> shape;
  std::vector<float> values;

  [[nodiscard]] caddie_tensor_info info() const {
    return {sizeof(caddie_tensor_info),
            0,
            "blocks.0.attn.q.weight",
            "matrix",
            static_cast<std::uint32_t>(shape.size()),
            0,
            shape.data()};
  }
};

inline Tensor matrix(const std::vector<std::vector<float>>& rows) {
  Tensor tensor{{static_cast<std::int64_t>(rows.size()), static_cast<std::int64_t>(rows.front().size())}, {}};
  for (const auto& row : rows) tensor.values.insert(tensor.values.end(), row.begin(), row.end());
  return tensor;
}

// Irregular numbers, the same in every run.
inline Tensor irregular(std::int64_t rows, std::int64_t columns, double size = 1) {
  return {{rows, columns}, [&] {
            std::vector<float> values;
            for (const double value : wave({rows, columns}, 3, size).values)
              values.push_back(static_cast<float>(value));
            return values;
          }()};
}

// Encodes; the message of a refusal is thrown.
inline StoredParts encode(const Object& quantizer, const Tensor& tensor, const std::vector<float>& decoded = {}) {
  const caddie_tensor_info info = tensor.info();
  caddie_quantize_input input{};
  input.struct_size = sizeof input;
  input.weights = tensor.values.data();
  input.decoded = decoded.empty() ? nullptr : decoded.data();
  StoredParts parts;
  caddie_error error = fresh_error();
  const auto& table = quantizer.table<caddie_quantizer>();
  if (table.encode(quantizer.abi(), &info, &input, StoredParts::table(), parts.abi(), &error) != CADDIE_OK) {
    throw std::runtime_error(error.text);
  }
  return parts;
}

// Decodes onto `below`, or onto values that a base quantizer must overwrite.
inline std::vector<float> decode(const Object& quantizer, const Tensor& tensor, StoredParts parts,
                                 std::vector<float> below = {}) {
  if (below.empty()) below.assign(tensor.values.size(), 12345.0f);
  const caddie_tensor_info info = tensor.info();
  caddie_error error = fresh_error();
  const auto& table = quantizer.table<caddie_quantizer>();
  if (table.decode(quantizer.abi(), &info, StoredParts::table(), parts.abi(), below.data(), &error) != CADDIE_OK) {
    throw std::runtime_error(error.text);
  }
  return below;
}

using Bytes = std::vector<std::uint8_t>;

inline std::vector<caddie_bytes> stream_views(std::vector<Bytes>& streams) {
  std::vector<caddie_bytes> views;
  for (Bytes& stream : streams) views.push_back({"codes", stream.data(), stream.size()});
  return views;
}

inline Bytes pack(const Object& compressor, std::vector<Bytes> streams) {
  const auto views = stream_views(streams);
  StreamSink sink(std::size_t{1} << 28);
  caddie_error error = fresh_error();
  const auto& table = compressor.table<caddie_compressor>();
  if (table.pack(compressor.abi(), views.data(), static_cast<std::uint32_t>(views.size()), sink.abi(), &error) !=
      CADDIE_OK) {
    throw std::runtime_error(error.text);
  }
  return sink.take();
}

inline std::vector<Bytes> unpack(const Object& compressor, const Bytes& packed, const std::vector<std::size_t>& sizes) {
  std::vector<Bytes> streams;
  for (const std::size_t size : sizes) streams.emplace_back(size);
  const auto views = stream_views(streams);
  caddie_error error = fresh_error();
  const auto& table = compressor.table<caddie_compressor>();
  const caddie_str bytes{reinterpret_cast<const char*>(packed.data()), packed.size()};
  if (table.unpack(compressor.abi(), bytes, views.data(), static_cast<std::uint32_t>(views.size()), &error) !=
      CADDIE_OK) {
    throw std::runtime_error(error.text);
  }
  return streams;
}

inline Bytes from_hex(const std::string& hex) {
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<std::uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

}  // namespace caddie::plugins::test
