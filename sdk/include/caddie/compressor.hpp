// Compressor: named byte streams to bytes, and back.
#pragma once

#include <caddie/object.hpp>

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace caddie {

using Stream = caddie_bytes;

class Compressor : public Plugin {
 public:
  static constexpr const char* interface_id = CADDIE_COMPRESSOR;

  [[nodiscard]] virtual std::vector<uint8_t> pack(std::span<const Stream> streams) const = 0;
  // Fills every stream to exactly its size; `packed` may be any bytes at all: throw Failure when they do not fit.
  virtual void unpack(std::span<const uint8_t> packed, std::span<const Stream> streams) const = 0;

  // All streams end to end, for compressors that look at one sequence.
  [[nodiscard]] static std::vector<uint8_t> join(std::span<const Stream> streams) {
    std::vector<uint8_t> all;
    for (const Stream& stream : streams) all.insert(all.end(), stream.data, stream.data + stream.size);
    return all;
  }
  [[nodiscard]] static uint64_t total_size(std::span<const Stream> streams) {
    uint64_t size = 0;
    for (const Stream& stream : streams) size += stream.size;
    return size;
  }
  // The reverse of join.
  static void split(std::span<const uint8_t> all, std::span<const Stream> streams) {
    if (all.size() != total_size(streams)) throw Failure("the unpacked bytes do not have the expected length");
    std::size_t at = 0;
    for (const Stream& stream : streams) {
      if (stream.size > 0) std::memcpy(stream.data, all.data() + at, static_cast<std::size_t>(stream.size));
      at += static_cast<std::size_t>(stream.size);
    }
  }

  static const void* table() {
    static const caddie_compressor compressor = {
        sizeof(caddie_compressor), 0,
        [](caddie_object* object, const caddie_bytes* streams, uint32_t count, const caddie_stream* out, caddie_error* error) {
          return detail::guarded(error, [&] {
            const std::vector<uint8_t> packed = detail::self<Compressor>(object).pack({streams, count});
            StateWriter(out).bytes(packed.data(), packed.size());
          });
        },
        [](caddie_object* object, caddie_str packed, const caddie_bytes* streams, uint32_t count, caddie_error* error) {
          return detail::guarded(error, [&] {
            const auto* bytes = reinterpret_cast<const uint8_t*>(packed.data);
            detail::self<Compressor>(object).unpack({bytes, static_cast<std::size_t>(packed.size)}, {streams, count});
          });
        }};
    return &compressor;
  }
};

}  // namespace caddie
