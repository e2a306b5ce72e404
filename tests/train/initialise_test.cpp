#include "core/train/initialise.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/train/support.hpp"

namespace caddie::train {
namespace {

using test::error_of;
using test::value_of;

plugins::TensorDeclaration tensor(const std::string& path, const graph::Shape& shape, int kind, double a = 0,
                                  double b = 0) {
  plugins::TensorDeclaration made;
  made.path = path;
  made.shape = shape;
  made.initialiser.kind = kind;
  made.initialiser.a = a;
  made.initialiser.b = b;
  return made;
}

std::vector<float> values(const plugins::TensorDeclaration& declared, std::uint64_t seed = 1) {
  return value_of(initial_values(declared, seed));
}

struct Moments {
  double mean = 0, std = 0, low = 0, high = 0;
};
Moments moments(const std::vector<float>& values) {
  Moments made{0, 0, static_cast<double>(values[0]), static_cast<double>(values[0])};
  double squares = 0;
  for (const float value : values) {
    const double x = static_cast<double>(value);
    made.mean += x / static_cast<double>(values.size());
    squares += x * x / static_cast<double>(values.size());
    made.low = std::min(made.low, x);
    made.high = std::max(made.high, x);
  }
  made.std = std::sqrt(squares - made.mean * made.mean);
  return made;
}

// max |W W^T - gain^2 I| over the fewer of rows and columns.
double distance_from_orthogonal(const std::vector<float>& w, std::int64_t rows, std::int64_t columns, double gain) {
  const bool by_rows = rows <= columns;
  const std::int64_t count = by_rows ? rows : columns;
  const std::int64_t length = by_rows ? columns : rows;
  const auto at = [&](std::int64_t vector, std::int64_t i) {
    return static_cast<double>(w[static_cast<std::size_t>(by_rows ? vector * columns + i : i * columns + vector)]);
  };
  double worst = 0;
  for (std::int64_t a = 0; a < count; ++a) {
    for (std::int64_t b = 0; b <= a; ++b) {
      double product = 0;
      for (std::int64_t i = 0; i < length; ++i) product += at(a, i) * at(b, i);
      worst = std::max(worst, std::fabs(product - (a == b ? gain * gain : 0)));
    }
  }
  return worst;
}

TEST(Initialise, ConstantsAndLists) {
  EXPECT_EQ(values(tensor("a", {2, 2}, CADDIE_INIT_ZEROS)), std::vector<float>(4, 0.0f));
  EXPECT_EQ(values(tensor("a", {3}, CADDIE_INIT_CONSTANT, 1.5)), std::vector<float>(3, 1.5f));
  EXPECT_EQ(values(tensor("a", {}, CADDIE_INIT_CONSTANT, 2)), std::vector<float>{2.0f});
  plugins::TensorDeclaration listed = tensor("a", {2}, CADDIE_INIT_VALUES);
  listed.initialiser.values = {0.1, -3};
  EXPECT_EQ(values(listed), (std::vector<float>{0.1f, -3.0f}));
}

TEST(Initialise, NormalAndUniform) {
  const Moments normal = moments(values(tensor("a", {300, 100}, CADDIE_INIT_NORMAL, 2, 0.5)));
  EXPECT_NEAR(normal.mean, 2, 0.015);
  EXPECT_NEAR(normal.std, 0.5, 0.01);
  EXPECT_GT(normal.high, 3.5);
  const Moments uniform = moments(values(tensor("a", {300, 100}, CADDIE_INIT_UNIFORM, -1, 3)));
  EXPECT_NEAR(uniform.mean, 1, 0.03);
  EXPECT_NEAR(uniform.std, 4 / std::sqrt(12.0), 0.02);
  EXPECT_GE(uniform.low, -1);
  EXPECT_LE(uniform.high, 3);
}

TEST(Initialise, Orthogonal) {  // G60
  const double projection = 1 / std::sqrt(2.0 * 11);
  EXPECT_NEAR(projection, 0.2132007164, 1e-10);
  EXPECT_LT(distance_from_orthogonal(values(tensor("a", {256, 512}, CADDIE_INIT_ORTHOGONAL, 1)), 256, 512, 1), 1e-5);
  EXPECT_LT(distance_from_orthogonal(values(tensor("b", {512, 128}, CADDIE_INIT_ORTHOGONAL, projection)), 512, 128,
                                     projection),
            1e-5);
  EXPECT_LT(distance_from_orthogonal(values(tensor("c", {64, 64}, CADDIE_INIT_ORTHOGONAL, 2)), 64, 64, 2), 1e-5);
  EXPECT_NEAR(std::fabs(static_cast<double>(values(tensor("d", {1, 1}, CADDIE_INIT_ORTHOGONAL, 3))[0])), 3, 1e-6);
  // More axes: the first one against all others.
  EXPECT_LT(distance_from_orthogonal(values(tensor("e", {4, 3, 5}, CADDIE_INIT_ORTHOGONAL, 1)), 4, 15, 1), 1e-5);
  EXPECT_NE(error_of(initial_values(tensor("f", {4}, CADDIE_INIT_ORTHOGONAL, 1), 1)).find("only a matrix"),
            std::string::npos);
}

TEST(Initialise, OrthogonalSignsComeFromTheGaussian) {
  // Q R = A with a positive diagonal of R: for an orthogonal A, Q is A itself.
  const std::vector<float> rotation = {0.6f, -0.8f, 0.8f, 0.6f};
  const std::vector<float> made = orthogonal_matrix(2, 2, 1, rotation);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(made[i], rotation[i], 1e-6);
  const std::vector<float> wide = orthogonal_matrix(1, 2, 5, {-3, 4});
  EXPECT_NEAR(wide[0], -3, 1e-6);
  EXPECT_NEAR(wide[1], 4, 1e-6);
}

TEST(Initialise, OrthogonalWhateverIsDrawn) {
  const auto plane = orthogonal_matrix(3, 2, 1, {1, 2, 2, 4, -3, -6});
  EXPECT_LT(distance_from_orthogonal(plane, 3, 2, 1), 1e-6);
  EXPECT_LT(distance_from_orthogonal(orthogonal_matrix(2, 3, 2, std::vector<float>(6, 0.0f)), 2, 3, 2), 1e-6);
  EXPECT_LT(distance_from_orthogonal(orthogonal_matrix(2, 2, 1, {1, 1, 1, 1 + 1e-5f}), 2, 2, 1), 1e-6);
}

// R = Q^T A is upper triangular and its diagonal is positive, which only one Q does.
TEST(Initialise, OrthogonalIsTheFactorOfTheGaussian) {
  const std::int64_t rows = 96;
  const std::int64_t columns = 64;
  const std::vector<float> gaussian = values(tensor("g", {rows, columns}, CADDIE_INIT_NORMAL, 0, 1));
  const std::vector<float> q = orthogonal_matrix(rows, columns, 1, gaussian);
  for (std::int64_t i = 0; i < columns; ++i) {
    for (std::int64_t k = 0; k <= i; ++k) {
      double r = 0;
      for (std::int64_t row = 0; row < rows; ++row) {
        r += static_cast<double>(q[static_cast<std::size_t>(row * columns + i)]) *
             static_cast<double>(gaussian[static_cast<std::size_t>(row * columns + k)]);
      }
      if (k == i) EXPECT_GT(r, 0.1);
      else EXPECT_NEAR(r, 0, 1e-5);
    }
  }
}

TEST(Initialise, AFunctionOfSeedAndPathAlone) {
  for (const int kind : {CADDIE_INIT_NORMAL, CADDIE_INIT_UNIFORM, CADDIE_INIT_ORTHOGONAL}) {
    const auto a = tensor("blocks.0.attn.q.weight", {8, 8}, kind, 0.5, 1);
    EXPECT_EQ(values(a), values(a));
    EXPECT_NE(values(a, 1), values(a, 2));
    EXPECT_NE(values(a), values(tensor("blocks.1.attn.q.weight", {8, 8}, kind, 0.5, 1)));
  }
}

TEST(Initialise, AnotherBlockChangesNoTensor) {
  const auto plain = value_of(test::TinyModel()->build({}));
  const auto more = value_of(test::TinyModel({{"odd-block", {{"does", "late-parameter"}}}})->build({.progress = 1}));
  EXPECT_EQ(more.parameters.size(), plain.parameters.size() + 1);
  for (const plugins::TensorDeclaration& tensor : plain.parameters) {
    for (const plugins::TensorDeclaration& other : more.parameters) {
      EXPECT_TRUE(other.path != tensor.path || values(other) == values(tensor)) << tensor.path;
    }
  }
}

TEST(Initialise, UnknownKindsAreNamed) {
  EXPECT_NE(error_of(initial_values(tensor("a", {2}, 99), 1)).find("a: asks for initialiser 99"), std::string::npos);
}

}  // namespace
}  // namespace caddie::train
