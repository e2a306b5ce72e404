// Rice codes: small numbers in few bits (Rice & Plaunt 1971, IEEE Transactions on Communication Technology 19).
//
//   a byte b stands for a signed number; u = 2 b where b >= 0, else -2 b - 1
//   u is written as floor(u / 2^k) ones, a zero, and the k low bits of u
//   a stream is the three bits of its k, the best of 0 .. 7, and its numbers; low bits first, nothing between streams
#include <caddie/plugin.hpp>

#include <numeric>

namespace {

using namespace caddie;

struct Rice : Compressor {
  static constexpr Identity identity{.id = "rice",
                                     .summary = "small signed bytes in few bits, by Rice codes",
                                     .citation = "Rice & Plaunt 1971, doi:10.1109/TCOM.1971.1090789"};

  [[nodiscard]] std::vector<uint8_t> pack(std::span<const Stream> streams) const override {
    std::vector<bool> bits;
    for (const Stream& stream : streams) {
      const std::span<const uint8_t> bytes(stream.data, static_cast<std::size_t>(stream.size));
      unsigned k = 0;
      for (unsigned other = 1; other < 8; ++other)
        if (bits_with(bytes, other) < bits_with(bytes, k)) k = other;
      put(bits, k, 3);
      for (const uint8_t b : bytes) {
        bits.insert(bits.end(), unfold(b) >> k, true);
        put(bits, unfold(b) << 1, k + 1);  // a zero, then the low bits
      }
    }
    std::vector<uint8_t> out((bits.size() + 7) / 8);
    for (std::size_t i = 0; i < bits.size(); ++i) out[i / 8] = static_cast<uint8_t>(out[i / 8] | bits[i] << i % 8);
    return out;
  }

  // `packed` may be any bytes: nothing is read beyond its end.
  void unpack(std::span<const uint8_t> packed, std::span<const Stream> streams) const override {
    std::size_t at = 0;
    const auto get = [&](unsigned count) {
      unsigned number = 0;
      for (unsigned i = 0; i < count; ++i, ++at) {
        if (at / 8 >= packed.size()) throw Failure("the packed bytes end too early");
        number |= (packed[at / 8] >> at % 8 & 1u) << i;
      }
      return number;
    };
    for (const Stream& stream : streams) {
      const unsigned k = get(3);
      for (uint64_t i = 0; i < stream.size; ++i) {
        unsigned ones = 0;
        while (get(1) != 0) ++ones;
        if (ones > 255u >> k) throw Failure("the packed bytes are damaged");
        const unsigned u = ones << k | get(k);
        stream.data[i] = static_cast<uint8_t>((u & 1u) != 0 ? 255u - (u >> 1) : u >> 1);
      }
    }
    if ((at + 7) / 8 != packed.size()) throw Failure("there are bytes after the last stream");
  }

 private:
  static unsigned unfold(uint8_t b) { return b < 128 ? 2u * b : 2u * (255u - b) + 1; }
  static void put(std::vector<bool>& bits, unsigned number, unsigned count) {
    for (; count > 0; --count, number >>= 1) bits.push_back((number & 1u) != 0);
  }
  static std::size_t bits_with(std::span<const uint8_t> bytes, std::size_t k) {
    return std::accumulate(bytes.begin(), bytes.end(), bytes.size() * (k + 1),
                           [k](std::size_t bits, uint8_t b) { return bits + (unfold(b) >> k); });
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(Rice)
