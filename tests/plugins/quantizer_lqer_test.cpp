#include <gmock/gmock.h>

#include <cmath>

#include "caddie/quantizer.hpp"
#include "tests/plugins/quantizer_support.hpp"

namespace caddie::plugins::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Codes = std::vector<std::int8_t>;

// A 6x6 error matrix; the quantizer below made zeros. (G40)
Tensor golden() {
  return matrix({{0.204f, -0.256f, 0.042f, -0.057f, -0.045f, -0.022f},
                 {-0.202f, -0.023f, -0.087f, 0.332f, 0.023f, -0.035f},
                 {-0.028f, -0.067f, -0.106f, -0.039f, 0.048f, -0.024f},
                 {0.096f, -0.02f, 0.002f, 0.155f, 0.055f, -0.051f},
                 {-0.018f, 0.054f, 0.194f, -0.027f, -0.024f, 0.1f},
                 {-0.089f, -0.029f, 0.088f, 0.058f, 0.009f, 0.067f}});
}

void expect_halves(const StoredParts& parts, const std::string& name, const std::vector<double>& expected) {
  const auto halves = parts.get<std::uint16_t>(name);
  ASSERT_EQ(halves.size(), expected.size());
  for (std::size_t i = 0; i < halves.size(); ++i)
    EXPECT_NEAR(from_half(halves[i]), expected[i], 1e-9 * expected[i]) << name << " " << i;
}

double norm(const std::vector<float>& values) {
  double sum = 0;
  for (const double value : values) sum += value * value;
  return std::sqrt(sum);
}

// What is left of the error when `below` was decoded so far.
double residual(const Object& lqer, const Tensor& tensor, const std::vector<float>& below) {
  std::vector<float> rest = decode(lqer, tensor, encode(lqer, tensor, below), below);
  for (std::size_t i = 0; i < rest.size(); ++i) rest[i] -= tensor.values[i];
  return norm(rest);
}

TEST(Lqer, AsymmetricPack) {
  const Object lqer = make_plugin("quantizer", "lqer", {{"rank", 2}, {"group", 4}});
  const Tensor tensor = golden();
  const std::vector<float> below(36, 0.0f);
  const StoredParts parts = encode(lqer, tensor, below);
  EXPECT_EQ(parts.get<std::int8_t>("a"), (Codes{-1, 1, 1, 0, 0, 0, 0, 0, 0, -1, 0, 0}));
  EXPECT_EQ(parts.get<std::int8_t>("b"), (Codes{-6, 2, -2, 7, 1, -1, 4, -7, -8, 7, 1, -6}));
  expect_halves(parts, "a_scales", {0.2556152344});
  expect_halves(parts, "b_scales", {0.09851074219, 0.09014892578, 0.05270385742});
  const std::vector<double> correction = {0.2432588339,
                                          -0.2116657645,
                                          -0.05741357803,
                                          -0.0819625631,
                                          -0.009571529925,
                                          -0.05778801441,
                                          -0.1510850787,
                                          0.05036169291,
                                          -0.05036169291,
                                          0.1762659252,
                                          0.02304343879,
                                          -0.02304343879,
                                          0.0,
                                          0.0,
                                          0.0,
                                          0.0,
                                          0.0,
                                          0.0,
                                          0.0,
                                          0.0,
                                          0.0,
                                          0.0,
                                          0.0,
                                          0.0,
                                          -0.09217375517,
                                          0.1613040715,
                                          0.1077752709,
                                          -0.09430336207,
                                          -0.01347190887,
                                          0.0808314532,
                                          0.0,
                                          0.0,
                                          0.0,
                                          0.0,
                                          0.0,
                                          0.0};
  const std::vector<float> decoded = decode(lqer, tensor, parts, below);
  for (std::size_t i = 0; i < correction.size(); ++i) EXPECT_NEAR(decoded[i], correction[i], 1e-7) << i;
  EXPECT_NEAR(residual(lqer, tensor, below), 0.4053902492, 1e-6);
}

// r n = 12 is no multiple of 5.
TEST(Lqer, SymmetricFallback) {
  const Object lqer = make_plugin("quantizer", "lqer", {{"rank", 2}, {"group", 5}});
  const StoredParts parts = encode(lqer, golden(), std::vector<float>(36, 0.0f));
  EXPECT_EQ(parts.get<std::int8_t>("a"), (Codes{-7, 7, 7, 2, 0, 7, 4, 7, -2, -7, 7, -5}));
  EXPECT_EQ(parts.get<std::int8_t>("b"), (Codes{-6, 2, -2, 7, 1, -1, 4, -7, -4, 4, 1, -3}));
  expect_halves(parts, "a_scales",
                {0.03256225586, 0.05474853516, 0.01049041748, 0.01770019531, 0.02345275879, 0.009475708008});
  expect_halves(parts, "b_scales", {0.1055908203, 0.09655761719});
}

// Fine factors leave what the best rank-r approximation leaves: the tail of the singular values.
TEST(Lqer, FineFactorsReachTheTailOfTheSpectrum) {
  const nlohmann::json config = {{"rank", 2}, {"group", 1}, {"a_bits", 8}, {"b_bits", 8}};
  const double tail = residual(make_plugin("quantizer", "lqer", config), golden(), std::vector<float>(36, 0.0f));
  EXPECT_NEAR(tail, 0.3055329676, 2e-3);
  EXPECT_GE(tail, 0.3055329676 - 1e-6);
}

TEST(Lqer, AddsToWhatIsBelow) {
  const Object lqer = make_plugin("quantizer", "lqer", {{"rank", 2}, {"group", 4}});
  const Tensor error = golden();
  Tensor weights = error;
  std::vector<float> below(36);
  for (std::size_t i = 0; i < below.size(); ++i) {
    below[i] = static_cast<float>(i % 5) - 2;
    weights.values[i] += below[i];
  }
  EXPECT_NEAR(residual(lqer, weights, below), residual(lqer, error, std::vector<float>(36, 0.0f)), 1e-5);
}

// A wide matrix is factorised through its transpose: the same rank-one product comes back either way.
TEST(Lqer, WideAndTallMatrices) {
  for (const auto& [rows, columns] : {std::pair{3, 64}, std::pair{64, 3}, std::pair{1, 64}}) {
    Tensor tensor{{rows, columns}, {}};
    for (int i = 0; i < rows; ++i) {
      for (int j = 0; j < columns; ++j)
        tensor.values.push_back(static_cast<float>(std::cos(1.0 + i) * std::sin(2.0 + 0.3 * j)));
    }
    const nlohmann::json config = {{"rank", 1}, {"group", 1}, {"a_bits", 8}, {"b_bits", 8}};
    const double left =
        residual(make_plugin("quantizer", "lqer", config), tensor, std::vector<float>(tensor.values.size(), 0.0f));
    EXPECT_LT(left, 0.03 * norm(tensor.values)) << rows << "x" << columns;
  }
}

// The codes do not depend on the signs that the decomposition happens to choose: E and -E give mirrored factors of
// which the left vectors are the same.
TEST(Lqer, SignsAreFixed) {
  const Object lqer = make_plugin("quantizer", "lqer", {{"rank", 2}, {"group", 4}});
  Tensor negative = golden();
  for (float& value : negative.values) value = -value;
  const std::vector<float> below(36, 0.0f);
  EXPECT_EQ(encode(lqer, negative, below).get<std::int8_t>("a"), encode(lqer, golden(), below).get<std::int8_t>("a"));
}

// Two-bit factors of a matrix without structure would make it worse: then nothing is corrected.
TEST(Lqer, NeverMakesTheErrorLarger) {
  for (int size = 2; size <= 40; size += 2) {
    const Tensor tensor = irregular(size, size);
    const std::vector<float> below(tensor.values.size(), 0.0f);
    for (const int group : {1, 2, 64}) {
      const Object lqer = make_plugin("quantizer", "lqer", {{"rank", 1}, {"group", group}});
      EXPECT_LE(residual(lqer, tensor, below), norm(tensor.values) * (1 + 1e-6)) << size << " " << group;
    }
  }
}

TEST(Lqer, ZeroErrorGivesZeroCorrection) {
  const Object lqer = make_plugin("quantizer", "lqer", {{"rank", 2}, {"group", 4}});
  const Tensor tensor = golden();
  EXPECT_EQ(decode(lqer, tensor, encode(lqer, tensor, tensor.values), tensor.values), tensor.values);
}

std::vector<std::uint8_t> choose(const Object& lqer, const std::vector<std::vector<std::int64_t>>& shapes,
                                 const std::vector<double>& norms) {
  std::vector<caddie_tensor_info> infos;
  for (const auto& shape : shapes) {
    infos.push_back(
        {sizeof(caddie_tensor_info), -1, "w", "matrix", static_cast<std::uint32_t>(shape.size()), 0, shape.data()});
  }
  std::vector<std::uint8_t> chosen(shapes.size(), 7);
  caddie_error error = fresh_error();
  EXPECT_EQ(lqer.table<caddie_quantizer>().choose(lqer.abi(), static_cast<std::uint32_t>(infos.size()), infos.data(),
                                                  norms.data(), chosen.data(), &error),
            CADDIE_OK);
  return chosen;
}

TEST(Lqer, ChoosesTheLargestErrors) {
  const Object lqer = make_plugin("quantizer", "lqer", {{"top", 2}});
  const std::vector<std::vector<std::int64_t>> shapes = {{8, 8}, {8, 8}, {64}, {8, 8}, {8, 8}};
  EXPECT_THAT(choose(lqer, shapes, {1, 3, 9, 2, 3}), ElementsAre(0, 1, 0, 0, 1));  // a vector has no rank to reduce
  EXPECT_THAT(choose(lqer, shapes, {2, 2, 2, 2, 2}), ElementsAre(1, 1, 0, 0, 0));  // ties: the first
  EXPECT_THAT(choose(lqer, shapes, {0, 0, 5, 0, 1}), ElementsAre(0, 0, 0, 0, 1));  // nothing to correct
}

TEST(Lqer, RefusesPartsOfAnotherSize) {
  const Object lqer = make_plugin("quantizer", "lqer", {{"rank", 2}, {"group", 4}});
  const std::vector<float> below(36, 0.0f);
  for (const char* name : {"a", "a_scales", "b", "b_scales"}) {
    StoredParts parts = encode(lqer, golden(), below);
    parts.bytes[name].push_back(0);
    EXPECT_THAT(message_of([&] { decode(lqer, golden(), parts, below); }), HasSubstr("were expected")) << name;
  }
}

}  // namespace
}  // namespace caddie::plugins::test
