#include "core/train/initialise.hpp"

#include <fmt/format.h>

#include <Eigen/QR>
#include <algorithm>
#include <array>

#include "core/base/hash.hpp"
#include "core/graph/random.hpp"

namespace caddie::train {
namespace {

// Random stream of initial values; training draws from stream 0.
constexpr std::uint64_t kInitStream = 0x1217;

constexpr double kSingular = 1e-6;  // of R: least by largest element of the diagonal

using Matrix = Eigen::MatrixXd;
using Floats = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

std::vector<float> random_field(const plugins::TensorDeclaration& tensor, std::uint64_t seed, bool normal) {
  const std::uint64_t site = hash_text(tensor.path);
  std::vector<float> field(static_cast<std::size_t>(tensor.shape.elements()));
  for (std::size_t i = 0; i < field.size(); i += 4) {
    const auto words = graph::philox(seed, kInitStream, 0, site, i / 4);
    const std::array<float, 4> four = normal ? graph::normal_block(words) : graph::uniform_block(words);
    std::copy_n(four.begin(), std::min<std::size_t>(4, field.size() - i), field.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return field;
}

}  // namespace

// Q = A R^-1 costs half of the product of the reflections. In float64 it is far more exact than float32 can say, unless
// A is next to singular.
std::vector<float> orthogonal_matrix(std::int64_t rows, std::int64_t columns, double gain,
                                     const std::vector<float>& gaussian) {
  const bool wide = rows < columns;
  const Eigen::Map<const Floats> source(gaussian.data(), rows, columns);
  Matrix q = wide ? Matrix(source.cast<double>().transpose()) : Matrix(source.cast<double>());
  Matrix factors = q;
  const Eigen::HouseholderQR<Eigen::Ref<Matrix>> qr(factors);
  const Eigen::VectorXd diagonal = factors.diagonal();
  if (diagonal.cwiseAbs().minCoeff() > kSingular * diagonal.cwiseAbs().maxCoeff()) {
    factors.topRows(q.cols()).triangularView<Eigen::Upper>().solveInPlace<Eigen::OnTheRight>(q);
  } else {
    q = qr.householderQ() * Matrix::Identity(q.rows(), q.cols());
  }
  for (Eigen::Index column = 0; column < q.cols(); ++column) q.col(column) *= diagonal[column] < 0 ? -gain : gain;
  std::vector<float> values(gaussian.size());
  Eigen::Map<Floats> result(values.data(), rows, columns);
  if (wide) {
    result = q.transpose().cast<float>();
  } else {
    result = q.cast<float>();
  }
  return values;
}

Result<std::vector<float>> initial_values(const plugins::TensorDeclaration& tensor, std::uint64_t seed) {
  const plugins::Initialiser& init = tensor.initialiser;
  const auto elements = static_cast<std::size_t>(tensor.shape.elements());
  switch (init.kind) {
    case CADDIE_INIT_ZEROS:
      return std::vector<float>(elements, 0.0f);
    case CADDIE_INIT_CONSTANT:
      return std::vector<float>(elements, static_cast<float>(init.a));
    case CADDIE_INIT_NORMAL: {
      std::vector<float> field = random_field(tensor, seed, true);
      for (float& value : field) value = static_cast<float>(init.a + init.b * static_cast<double>(value));
      return field;
    }
    case CADDIE_INIT_UNIFORM: {
      std::vector<float> field = random_field(tensor, seed, false);
      for (float& value : field) value = static_cast<float>(init.a + (init.b - init.a) * static_cast<double>(value));
      return field;
    }
    case CADDIE_INIT_ORTHOGONAL: {
      if (tensor.shape.rank() < 2) {
        return Error{Code::shape, tensor.path,
                     fmt::format("has shape {}; only a matrix can start orthogonal", tensor.shape.text())};
      }
      const std::int64_t rows = tensor.shape[0];
      return orthogonal_matrix(rows, tensor.shape.elements() / rows, init.a, random_field(tensor, seed, true));
    }
    case CADDIE_INIT_VALUES: {
      std::vector<float> values(elements);
      for (std::size_t i = 0; i < elements; ++i) values[i] = static_cast<float>(init.values[i]);
      return values;
    }
    default:
      return Error{Code::unsupported, tensor.path,
                   fmt::format("asks for initialiser {}, which this host does not know", init.kind)};
  }
}

}  // namespace caddie::train
