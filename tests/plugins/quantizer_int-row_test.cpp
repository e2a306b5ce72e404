#include <gmock/gmock.h>

#include <cmath>

#include "caddie/quantizer.hpp"
#include "tests/plugins/quantizer_support.hpp"

namespace caddie::plugins::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Codes = std::vector<std::int8_t>;

std::vector<float> scales_of(const StoredParts& parts) {
  std::vector<float> scales;
  for (const std::uint16_t half : parts.get<std::uint16_t>("scales")) scales.push_back(from_half(half));
  return scales;
}

void expect_values(const std::vector<float>& actual, const std::vector<double>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i)
    EXPECT_NEAR(actual[i], expected[i], 5e-10 + 1e-9 * std::abs(expected[i])) << i;
}

Tensor golden() { return matrix({{0.5f, -0.25f, 0.1f, 0.9f}, {2.0f, -3.0f, 0.04f, 1.1f}, {0, 0, 0, 0}}); }

// The published int8 rows: a quantile as clip, a floor of 1/127, codes from the scale before rounding. (G35)
TEST(IntRow, PercentileRowsOfTheBaseline) {
  const Object quantizer =
      make_plugin("quantizer", "int-row", {{"bits", 8}, {"clip", "percentile"}, {"as_published", true}});
  const StoredParts parts = encode(quantizer, golden());
  EXPECT_EQ(parts.get<std::int8_t>("codes"), (Codes{64, -32, 13, 114, 85, -127, 2, 47, 0, 0, 0, 0}));
  expect_values(scales_of(parts), {0.007873535156, 0.02362060547, 0.007873535156});
  expect_values(decode(quantizer, golden(), parts), {0.50390625, -0.251953125, 0.102355957, 0.8975830078, 2.007751465,
                                                     -2.999816895, 0.04724121094, 1.110168457, 0, 0, 0, 0});
}

TEST(IntRow, SixBitRowsInBothRanges) {
  Tensor rows = golden();
  rows.shape[0] = 2;
  rows.values.resize(8);
  for (const char* range : {"asym", "sym"}) {
    const Object quantizer = make_plugin("quantizer", "int-row", {{"bits", 6}, {"range", range}});
    const StoredParts parts = encode(quantizer, rows);
    EXPECT_EQ(parts.get<std::int8_t>("codes"), (Codes{16, -8, 3, 28, 21, -31, 0, 11})) << range;
    expect_values(scales_of(parts), {0.03225708008, 0.09680175781});
    expect_values(decode(quantizer, rows, parts), {0.5161132812, -0.2580566406, 0.09677124023, 0.9031982422,
                                                   2.032836914, -3.000854492, 0, 1.064819336});
  }
}

TEST(IntRow, RangesDifferWhereTheRoundedScaleIsSmaller) {
  // absmax 31.01 / 31 rounds down to 1 in half precision, and the quantile clips: -3 / (2 / 31) is far below -32.
  const Tensor row = matrix({{-3.0f, 2.0f, 2.0f, 2.0f, 2.0f}});
  const nlohmann::json config = {{"bits", 6}, {"clip", "percentile"}, {"percentile", 0.5}};
  nlohmann::json asym = config;
  asym["range"] = "asym";
  EXPECT_EQ(encode(make_plugin("quantizer", "int-row", config), row).get<std::int8_t>("codes")[0], -31);
  EXPECT_EQ(encode(make_plugin("quantizer", "int-row", asym), row).get<std::int8_t>("codes")[0], -32);
}

TEST(IntRow, TiesGoToTheEvenCode) {
  // The scale is 1: the floor is off and the largest magnitude is R.
  const Tensor row = matrix({{31, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f}});
  const Object quantizer = make_plugin("quantizer", "int-row", {{"bits", 6}, {"floor", "none"}});
  EXPECT_EQ(encode(quantizer, row).get<std::int8_t>("codes"), (Codes{31, 0, 2, 2, 0, -2}));
}

TEST(IntRow, FloorKeepsSmallRowsOnOneGrid) {
  const Tensor row = matrix({{0.1f, -0.05f}});
  EXPECT_EQ(encode(make_plugin("quantizer", "int-row", {{"bits", 6}}), row).get<std::int8_t>("codes"), (Codes{3, -2}));
  const StoredParts fine = encode(make_plugin("quantizer", "int-row", {{"bits", 6}, {"floor", "none"}}), row);
  EXPECT_EQ(fine.get<std::int8_t>("codes"), (Codes{31, -16}));
  EXPECT_NEAR(scales_of(fine)[0], 0.1 / 31, 2e-6);
}

TEST(IntRow, RowsOfZerosDecodeToZeros) {
  const Tensor zeros{{2, 3}, std::vector<float>(6)};
  const Object quantizer = make_plugin("quantizer", "int-row", {{"floor", "none"}});
  EXPECT_EQ(decode(quantizer, zeros, encode(quantizer, zeros)), std::vector<float>(6));
}

// One scale for the whole tensor in single precision, and rows without a floor. (G39)
TEST(IntRow, OneScaleForATensor) {
  const Tensor tensor = matrix({{1.0f, -0.5f, 0.25f}, {0.75f, 0.0f, -1.27f}});
  const Object whole = make_plugin("quantizer", "int-row", {{"scope", "tensor"}, {"scale", "fp32"}, {"floor", "none"}});
  const StoredParts parts = encode(whole, tensor);
  EXPECT_EQ(parts.get<std::int8_t>("codes"), (Codes{100, -50, 25, 75, 0, -127}));
  EXPECT_THAT(parts.get<float>("scales"), ElementsAre(testing::FloatEq(0.01f)));
  const StoredParts rows = encode(make_plugin("quantizer", "int-row", {{"floor", "none"}}), tensor);
  EXPECT_EQ(rows.get<std::int8_t>("codes"), (Codes{127, -64, 32, 75, 0, -127}));
  expect_values(scales_of(rows), {0.007873535156, 0.01000213623});
}

TEST(IntRow, VectorsAndScalarsAreOneRow) {
  const Object quantizer = make_plugin("quantizer", "int-row");
  const Tensor vector{{3}, {1, 2, -4}};
  EXPECT_EQ(scales_of(encode(quantizer, vector)).size(), 1u);
  const Tensor scalar{{}, {2.5f}};
  const StoredParts parts = encode(quantizer, scalar);
  EXPECT_EQ(parts.get<std::int8_t>("codes"), (Codes{127}));
  EXPECT_NEAR(decode(quantizer, scalar, parts)[0], 2.5, 2e-3);
}

TEST(IntRow, ErrorStaysWithinHalfAStep) {
  const Tensor tensor = irregular(7, 130, 4);
  for (int bits = 2; bits <= 8; ++bits) {
    const Object quantizer = make_plugin("quantizer", "int-row", {{"bits", bits}});
    const StoredParts parts = encode(quantizer, tensor);
    const auto scales = scales_of(parts);
    const auto back = decode(quantizer, tensor, parts);
    const double largest = (1 << (bits - 1)) - 1;
    for (std::size_t i = 0; i < back.size(); ++i) {
      // Half a step, and what the largest code misses because the scale was rounded by up to 2^-11.
      EXPECT_LE(std::abs(back[i] - tensor.values[i]), scales[i / 130] * (0.5 + largest * 0x1p-11)) << bits << " " << i;
    }
  }
}

TEST(IntRow, RefusesPartsOfAnotherSize) {
  const Object quantizer = make_plugin("quantizer", "int-row");
  const Tensor tensor = golden();
  for (const char* name : {"codes", "scales"}) {
    StoredParts parts = encode(quantizer, tensor);
    parts.bytes[name].pop_back();
    EXPECT_THAT(message_of([&] { decode(quantizer, tensor, parts); }), HasSubstr("were expected"));
    parts.bytes.erase(name);
    EXPECT_THAT(message_of([&] { decode(quantizer, tensor, parts); }), HasSubstr(name));
  }
}

TEST(IntRow, RefusesRowsBeyondHalfPrecision) {
  const Tensor tensor = matrix({{1e8f, 1}});
  const Object half = make_plugin("quantizer", "int-row");
  EXPECT_THAT(message_of([&] { encode(half, tensor); }), HasSubstr("fp32"));
  const Object single = make_plugin("quantizer", "int-row", {{"scale", "fp32"}});
  EXPECT_FLOAT_EQ(decode(single, tensor, encode(single, tensor))[0], 1e8f);
}

}  // namespace
}  // namespace caddie::plugins::test
