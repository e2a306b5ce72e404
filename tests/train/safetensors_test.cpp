#include "core/train/safetensors.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "tests/train/support.hpp"

namespace caddie::train {
namespace {

using test::error_of;
using test::json;
using test::must;
using test::TemporaryFolder;
using test::value_of;
using Bytes = std::vector<std::uint8_t>;

std::vector<HostTensor> sample() {
  return {{"z.weight", "matrix", 3, {2, 3}, {1, 2, 3, 4, 5, -6.5f}},
          {"a \"quoted\" päth", "scalar", -1, {}, {0.25f}},
          {"embed.weight", "embedding", -1, {1, 4}, {7, 8, 9, 10}}};
}

void expect_equal(const std::vector<HostTensor>& a, const std::vector<HostTensor>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].path, b[i].path);
    EXPECT_EQ(a[i].role, b[i].role);
    EXPECT_EQ(a[i].layer, b[i].layer);
    EXPECT_EQ(a[i].shape, b[i].shape);
    EXPECT_EQ(a[i].values, b[i].values);
  }
}

Bytes file_of(const std::string& header, const Bytes& data) {
  Bytes bytes(8 + header.size() + data.size());
  const std::uint64_t length = header.size();
  std::memcpy(bytes.data(), &length, 8);
  std::ranges::copy(header, bytes.begin() + 8);
  std::ranges::copy(data, bytes.end() - static_cast<std::ptrdiff_t>(data.size()));
  return bytes;
}

json entry(const json& shape, const json& offsets, const char* dtype = "F32") {
  return {{"dtype", dtype}, {"shape", shape}, {"data_offsets", offsets}};
}

std::string refused(const json& header, std::size_t data_bytes) {
  return error_of(decode_safetensors(file_of(header.dump(), Bytes(data_bytes)), "file"));
}

TEST(Safetensors, ComesBackAsItWas) {
  expect_equal(value_of(decode_safetensors(encode_safetensors(sample()), "test")), sample());
  EXPECT_TRUE(value_of(decode_safetensors(encode_safetensors({}), "test")).empty());
  const TemporaryFolder folder;
  must(write_safetensors(folder / "weights.safetensors", sample()));
  expect_equal(value_of(read_safetensors(folder / "weights.safetensors")), sample());
}

TEST(Safetensors, HasTheLayoutOfTheFormat) {
  const Bytes bytes = encode_safetensors(sample());
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  EXPECT_EQ(length % 8, 0u);
  const json header = json::parse(bytes.begin() + 8, bytes.begin() + 8 + static_cast<std::ptrdiff_t>(length));
  EXPECT_EQ(header["z.weight"], entry({2, 3}, {0, 24}));
  EXPECT_EQ(header["embed.weight"], entry({1, 4}, {28, 44}));
  for (const auto& [key, value] : header["__metadata__"].items()) EXPECT_TRUE(value.is_string()) << key;
  float last = 0;
  std::memcpy(&last, bytes.data() + bytes.size() - 4, 4);
  EXPECT_EQ(last, 10.0f);
  EXPECT_EQ(bytes.size(), 8 + length + 44);
}

TEST(Safetensors, ReadsFilesOfOthers) {  // no metadata, tensors in any order of the header
  const json header = {{"b", entry({2}, {0, 8})}, {"a", entry({1}, {8, 12})}};
  const auto tensors = value_of(decode_safetensors(file_of(header.dump(), Bytes(12)), "file"));
  ASSERT_EQ(tensors.size(), 2u);
  EXPECT_EQ(tensors[0].path, "b");
  EXPECT_EQ(tensors[1].path, "a");
  EXPECT_EQ(tensors[0].layer, -1);
}

TEST(Safetensors, SaysWhatIsWrong) {
  EXPECT_NE(error_of(decode_safetensors(Bytes(7), "file")).find("file: is too short"), std::string::npos);
  EXPECT_NE(error_of(decode_safetensors(file_of("[]", {}), "file")).find("no JSON object"), std::string::npos);
  EXPECT_NE(error_of(decode_safetensors(file_of("{", {}), "file")).find("no JSON object"), std::string::npos);
  Bytes long_header = file_of("{}", {});
  long_header[6] = 1;
  EXPECT_NE(error_of(decode_safetensors(long_header, "file")).find("claims a header"), std::string::npos);

  const auto expect = [](const json& header, std::size_t data, const char* part) {
    const std::string message = refused(header, data);
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  expect({{"a", 3}}, 4, "is not of type F32");
  expect({{"a", entry({1}, {0, 2}, "F16")}}, 2, "is not of type F32");
  expect({{"a", {{"dtype", "F32"}, {"data_offsets", {0, 4}}}}}, 4, "has no shape");
  expect({{"a", entry({1, 1, 1, 1, 1, 1, 1, 1, 1}, {0, 4})}}, 4, "has no shape of up to eight axes");
  expect({{"a", entry({-1}, {0, 4})}}, 4, "no whole number");
  expect({{"a", entry({1.5}, {0, 4})}}, 4, "no whole number");
  expect({{"a", entry({1}, {4})}}, 4, "has no data_offsets");
  expect({{"a", entry({1}, {-4, 0})}}, 4, "has no data_offsets");
  expect({{"a", entry({1}, {8, 4})}}, 8, "offsets that do not fit");
  expect({{"a", entry({2}, {0, 4})}}, 8, "offsets that do not fit");
  expect({{"a", entry({1}, {4, 8})}}, 4, "offsets that do not fit");
  expect({{"a", entry({std::uint64_t{1} << 63, 4}, {0, 4})}}, 4, "larger than the file");
  expect({{"a", entry({3, 3, 3}, {0, 4})}}, 4, "larger than the file");
  expect({{"a", entry({1}, {0, 4})}, {"b", entry({1}, {0, 4})}}, 8,
         "begins at byte 0 of the data, the one before it ends at 4");
  expect({{"a", entry({1}, {0, 4})}, {"b", entry({1}, {8, 12})}}, 12, "begins at byte 8");
  expect({{"a", entry({1}, {0, 4})}}, 5, "has 5 bytes of data for 4");
}

TEST(Safetensors, EveryLengthIsSeen) {
  const Bytes good = encode_safetensors(sample());
  for (std::size_t length = 0; length < good.size(); ++length) {
    EXPECT_FALSE(decode_safetensors(std::span(good).first(length), "test")) << length;
  }
}

TEST(Safetensors, AnyBytesAreSafe) {
  const Bytes good = encode_safetensors(sample());
  std::mt19937 random(3);
  for (int trial = 0; trial < 20000; ++trial) {
    Bytes bad = good;
    for (unsigned change = 0; change <= random() % 4; ++change) {
      bad[random() % bad.size()] = static_cast<std::uint8_t>(random() % 2 == 0 ? '0' + random() % 10 : random());
    }
    const auto read = decode_safetensors(bad, "test");
    if (!read) continue;
    for (const HostTensor& tensor : *read) {
      EXPECT_EQ(static_cast<std::int64_t>(tensor.values.size()), tensor.shape.elements());
    }
  }
}

TEST(Safetensors, APathOfAnyBytesDoesNotEndTheProgram) {
  const auto read = decode_safetensors(encode_safetensors({{"\xFF\xFE", "matrix", 0, {1}, {1}}}), "test");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->at(0).values, std::vector<float>{1});
}

}  // namespace
}  // namespace caddie::train
