#include <gmock/gmock.h>

#include "tests/plugins/quantizer_support.hpp"

namespace caddie::plugins::test {
namespace {

using testing::HasSubstr;

struct Coder {
  const char* id;
  nlohmann::json config;
};

std::vector<Coder> coders() {
  return {{"store", nlohmann::json::object()},          {"zstd", nlohmann::json::object()},
          {"zstd", {{"level", 22}, {"window_log", 0}}}, {"zstd", {{"level", 1}, {"window_log", 30}}},
          {"lzma", nlohmann::json::object()},           {"lzma", {{"preset", 9}, {"extreme", true}}},
          {"lzma", {{"format", "raw"}, {"preset", 0}}}};
}

Bytes noise(std::size_t size, std::uint32_t values) {
  Bytes bytes(size);
  std::uint32_t state = 12345;
  for (std::uint8_t& byte : bytes) {
    state = state * 1664525u + 1013904223u;
    byte = static_cast<std::uint8_t>((state >> 16) % values);
  }
  return bytes;
}

const char* const kPayload = "000001ff000001ff03fe000001ff000001ff03fe000001ff000001ff03fe";
const char* const kXz =
    "fd377a585a000004e6d6b4460200210116000000742fe5a3e0001d000e5d000060047effdd363392e41b400000000000"
    "00e74659a082565300012a1e6044e2b51fb6f37d010000000004595a";
const char* const kRaw = "e0001d000e5d000060047effdd363392e41b40000000";

TEST(Compressors, EveryCoderGivesItsStreamsBack) {
  const std::vector<std::vector<Bytes>> cases = {{{}},
                                                 {{}, {}, {}},
                                                 {{7}},
                                                 {Bytes(std::size_t{1} << 20)},
                                                 {noise(100000, 256)},
                                                 {noise(70001, 30), {}, {1}, noise(333, 2)},
                                                 {from_hex(kPayload)}};
  for (const Coder& coder : coders()) {
    const Object compressor = make_plugin("compressor", coder.id, coder.config);
    for (const auto& streams : cases) {
      std::vector<std::size_t> sizes;
      for (const Bytes& stream : streams) sizes.push_back(stream.size());
      const Bytes packed = pack(compressor, streams);
      EXPECT_EQ(unpack(compressor, packed, sizes), streams) << coder.id << coder.config;
      EXPECT_EQ(pack(compressor, streams), packed) << "packs differently the second time";
    }
  }
}

TEST(Compressors, CodersGainOnCodesAndOnZeros) {
  const Bytes codes = noise(200000, 25);  // log2(25) = 4.64 bits each
  for (const Coder& coder : coders()) {
    if (std::string(coder.id) == "store") continue;
    const Object compressor = make_plugin("compressor", coder.id, coder.config);
    EXPECT_LT(pack(compressor, {codes}).size(), 200000u * 4.64 / 8 * 1.15) << coder.id << coder.config;
    EXPECT_LT(pack(compressor, {Bytes(std::size_t{1} << 20)}).size(), 500u) << coder.id;
  }
}

// Cut off, changed, other sizes than promised, and other bytes altogether: an error, or other bytes, never more than
// that.
TEST(Compressors, AnyBytesAreSafe) {
  const Bytes payload = noise(3000, 40);
  for (const Coder& coder : coders()) {
    const Object compressor = make_plugin("compressor", coder.id, coder.config);
    const Bytes packed = pack(compressor, {payload});
    for (const std::size_t size : {std::size_t{0}, std::size_t{2999}, std::size_t{3001}, std::size_t{100000}}) {
      EXPECT_NE(message_of([&] { unpack(compressor, packed, {size}); }), "") << coder.id << size;
    }
    for (std::size_t length = 0; length < packed.size(); length += 1 + length / 7) {
      const Bytes cut(packed.begin(), packed.begin() + static_cast<std::ptrdiff_t>(length));
      EXPECT_NE(message_of([&] { unpack(compressor, cut, {payload.size()}); }), "") << coder.id << length;
    }
    Bytes longer = packed;
    longer.push_back(0);
    EXPECT_NE(message_of([&] { unpack(compressor, longer, {payload.size()}); }), "") << coder.id;
    for (std::size_t at = 0; at < packed.size(); at += 1 + at / 20) {
      Bytes changed = packed;
      changed[at] ^= 0x41;
      static_cast<void>(message_of([&] { unpack(compressor, changed, {payload.size()}); }));
    }
    static_cast<void>(message_of([&] { unpack(compressor, noise(500, 256), {payload.size()}); }));
  }
}

// A megabyte of zeros is a bomb of a few hundred bytes; a reader that expects 100 bytes gets an error.
TEST(Compressors, BombsDoNotUnfold) {
  for (const Coder& coder : coders()) {
    const Object compressor = make_plugin("compressor", coder.id, coder.config);
    const Bytes bomb = pack(compressor, {Bytes(std::size_t{1} << 24)});
    EXPECT_NE(message_of([&] { unpack(compressor, bomb, {100}); }), "") << coder.id;
  }
}

// Streams that other programs packed. (G62)
TEST(Lzma, ReadsWhatOthersWrote) {
  const Bytes payload = from_hex(kPayload);
  const Object xz = make_plugin("compressor", "lzma");
  EXPECT_EQ(unpack(xz, from_hex(kXz), {payload.size()}).front(), payload);
  const Object raw = make_plugin("compressor", "lzma", {{"format", "raw"}});
  EXPECT_EQ(unpack(raw, from_hex(kRaw), {payload.size()}).front(), payload);
  EXPECT_NE(message_of([&] { unpack(raw, from_hex(kXz), {payload.size()}); }), "");
}

// An xz header may ask for a dictionary of 4 GiB: property byte 40 at offset 17 of the stream's block header.
TEST(Lzma, RefusesADictionaryOfFourGigabytes) {
  Bytes bytes = from_hex(kXz);
  ASSERT_EQ(bytes[12], 2);     // the block header: 12 bytes, of which the last four are its check sum
  ASSERT_EQ(bytes[14], 0x21);  // LZMA2, one byte of properties
  bytes[16] = 40;
  std::uint32_t crc = 0xFFFFFFFFu;
  for (std::size_t i = 12; i < 20; ++i) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1u) != 0 ? 0xEDB88320u : 0u);
  }
  for (std::size_t i = 0; i < 4; ++i) bytes[20 + i] = static_cast<std::uint8_t>(~crc >> (8 * i));
  const Object xz = make_plugin("compressor", "lzma");
  EXPECT_THAT(message_of([&] { unpack(xz, bytes, {30}); }), HasSubstr("too much memory"));
}

}  // namespace
}  // namespace caddie::plugins::test
