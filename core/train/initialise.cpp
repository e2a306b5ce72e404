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

std::vector<float> orthogonal_matrix(std::int64_t rows, std::int64_t columns, double gain,
                                     const std::vector<float>& gaussian) {
  using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const bool wide = rows < columns;
  const Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>> source(gaussian.data(),
                                                                                                       rows, columns);
  Matrix tall = wide ? Matrix(source.cast<double>().transpose()) : Matrix(source.cast<double>());
  const Eigen::HouseholderQR<Matrix> qr(tall);
  Matrix q = qr.householderQ() * Matrix::Identity(tall.rows(), tall.cols());
  for (Eigen::Index column = 0; column < q.cols(); ++column) {
    if (qr.matrixQR()(column, column) < 0) q.col(column) *= -1;
  }
  const Matrix result = wide ? Matrix(q.transpose()) : q;
  std::vector<float> values(gaussian.size());
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(gain * result.data()[i]);
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
