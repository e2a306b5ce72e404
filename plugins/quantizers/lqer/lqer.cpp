// LQER: what quantization lost comes back as a product of two thin matrices (Zhang et al. 2024, arXiv:2402.02446).
//
//   E = W - W^ ;  E ~ U_r S_r V_r^T ;  A = U_r S_r [m, r], B = V_r^T [r, n] ;  W^ <- W^ + A^ B^
//
// A few matrices only, those with the largest ||E||_F. The factors are quantized too (openai/parameter-golf PR #1797):
//   asymmetric, when r n is a multiple of the group g:  A in 2 bits with one scale max|A| / 1.5, B in 4 bits with a
//   scale max|.| / 7.5 for every g entries; both with the full two's-complement range and without a zero point;
//   symmetric, otherwise:  both in 4 bits with one scale a row.
#include <caddie/plugin.hpp>

#include <Eigen/QR>
#include <Eigen/SVD>

#include <algorithm>
#include <array>
#include <cmath>

namespace {

using namespace caddie;

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr float kSmallestHalf = 0x1p-24f;  // the smallest scale above zero that half precision can hold
constexpr int kSymmetricBits = 4;

struct Factors {
  Matrix A;  // [m, r]
  Matrix B;  // [r, n]
};

// The largest entry of each column of A becomes positive, so that the codes do not depend on the library's choice of
// signs.
void fix_signs(Factors& factors) {
  for (Eigen::Index k = 0; k < factors.A.cols(); ++k) {
    Eigen::Index at = 0;
    factors.A.col(k).cwiseAbs().maxCoeff(&at);
    if (factors.A(at, k) >= 0) continue;
    factors.A.col(k) *= -1;
    factors.B.row(k) *= -1;
  }
}

// The best rank-r approximation A B of a matrix that is not wider than high: a QR first, so that the decomposition is
// [n, n].
Factors factorise_tall(const Matrix& E, Eigen::Index r) {
  const Eigen::Index n = E.cols();
  const Eigen::HouseholderQR<Matrix> qr(E);
  const Matrix R = qr.matrixQR().topRows(n).triangularView<Eigen::Upper>();
  const Eigen::BDCSVD<Matrix> svd(R, Eigen::ComputeThinU | Eigen::ComputeThinV);
  Matrix U = Matrix::Zero(E.rows(), r);
  U.topRows(n) = svd.matrixU().leftCols(r);
  U.applyOnTheLeft(qr.householderQ());
  return {U * svd.singularValues().head(r).asDiagonal(), svd.matrixV().leftCols(r).transpose()};
}

Factors factorise(const Matrix& E, Eigen::Index r) {
  Factors factors;
  if (E.rows() >= E.cols()) {
    factors = factorise_tall(E, r);
  } else {
    const Factors turned = factorise_tall(E.transpose(), r);  // E^T = (U S) V^T, so E = (V S) U^T
    const Eigen::VectorXd S = turned.A.colwise().norm();
    factors.A = turned.B.transpose() * S.asDiagonal();
    factors.B = turned.A.transpose();
    for (Eigen::Index k = 0; k < r; ++k) factors.B.row(k) /= std::max(S(k), 1e-300);
  }
  fix_signs(factors);
  return factors;
}

// A factor as codes, with one scale for every `group` entries in row-major order.
struct Packed {
  std::vector<int8_t> codes;
  std::vector<uint16_t> scales;
};

// scale = f16(max|group| / divisor), code = clamp(rnd(x / scale), low, high)
Packed pack(const Matrix& factor, std::size_t group, float divisor, float low, float high) {
  Packed packed;
  packed.codes.resize(static_cast<std::size_t>(factor.size()));
  for (std::size_t begin = 0; begin < packed.codes.size(); begin += group) {
    float largest = 0;
    for (std::size_t i = begin; i < begin + group; ++i)
      largest = std::max(largest, std::abs(static_cast<float>(factor.data()[i])));
    const uint16_t half = to_half(std::max(largest / divisor, kSmallestHalf));
    const float scale = from_half(half);
    if (!std::isfinite(scale)) throw Failure("the error of this matrix is too large for scales in half precision");
    packed.scales.push_back(half);
    for (std::size_t i = begin; i < begin + group; ++i) {
      packed.codes[i] =
          static_cast<int8_t>(std::clamp(std::nearbyint(static_cast<float>(factor.data()[i]) / scale), low, high));
    }
  }
  return packed;
}

std::vector<float> unpack(const Packed& packed) {
  std::vector<float> values(packed.codes.size());
  const std::size_t group = packed.codes.size() / packed.scales.size();
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(packed.codes[i]) * from_half(packed.scales[i / group]);
  return values;
}

struct Lqer : QuantizerDecorator {
  static constexpr Identity identity{.id = "lqer",
                                     .summary = "low-rank correction of the largest quantization errors",
                                     .citation = "Zhang et al. 2024, arXiv:2402.02446; openai/parameter-golf PR #1797"};

  Integer rank{this, "rank", 4, "rank of the correction", range(1, 64)};
  Integer top{this, "top", 3, "how many matrices are corrected", range(1, 4096)};
  Integer group{this, "group", 64, "entries of B that share a scale", range(1, 4096)};
  Integer a_bits{this, "a_bits", 2, "width of the codes of A", range(2, 8)};
  Integer b_bits{this, "b_bits", 4, "width of the codes of B", range(2, 8)};

  void configure() override {
    const auto within = [](int64_t value, int64_t low, int64_t high) { return value >= low && value <= high; };
    if (!within(rank, 1, 64) || !within(group, 1, 4096) || !within(a_bits, 2, 8) || !within(b_bits, 2, 8)) {
      throw Failure("rank, group, a_bits or b_bits is out of range");
    }
  }

  // How the factors of one matrix lie.
  struct Layout {
    int64_t m, n, r;
    bool symmetric;
    int64_t a_group, b_group;
  };
  [[nodiscard]] Layout layout(const TensorInfo& tensor) const {
    const int64_t m = tensor.rows();
    const int64_t n = tensor.columns();
    const int64_t r = std::min({rank.value(), m, n});
    const bool symmetric = (r * n) % group != 0;
    return {m, n, r, symmetric, symmetric ? r : m * r, symmetric ? n : group.value()};
  }

  [[nodiscard]] std::vector<bool> choose(const std::vector<TensorInfo>& tensors,
                                         std::span<const double> error_norms) const override {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if (tensors[i].rows() > 1 && tensors[i].columns() > 1 && error_norms[i] > 0) order.push_back(i);
    }
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return error_norms[a] > error_norms[b]; });
    std::vector<bool> chosen(tensors.size(), false);
    for (std::size_t i = 0; i < order.size() && i < static_cast<std::size_t>(top.value()); ++i) chosen[order[i]] = true;
    return chosen;
  }

  [[nodiscard]] static Packed pack_factor(const Matrix& factor, int64_t group, int64_t bits, bool symmetric) {
    const auto half_range = static_cast<float>(int64_t{1} << (bits - 1));
    if (symmetric) return pack(factor, static_cast<std::size_t>(group), half_range - 1, 1 - half_range, half_range - 1);
    return pack(factor, static_cast<std::size_t>(group), half_range - 0.5f, -half_range, half_range - 1);
  }

  // (A B)_ij in single precision, summed over k rising: the same bits everywhere.
  static void add_product(const Layout& at, const std::vector<float>& a, const std::vector<float>& b,
                          std::span<float> out) {
    const auto [m, n, r] =
        std::array{static_cast<std::size_t>(at.m), static_cast<std::size_t>(at.n), static_cast<std::size_t>(at.r)};
    std::vector<float> row(n);
    for (std::size_t i = 0; i < m; ++i) {
      std::fill(row.begin(), row.end(), 0.0f);
      for (std::size_t k = 0; k < r; ++k) {
        for (std::size_t j = 0; j < n; ++j) row[j] += a[i * r + k] * b[k * n + j];
      }
      for (std::size_t j = 0; j < n; ++j) out[i * n + j] += row[j];
    }
  }

  void encode(const TensorInfo& tensor, const QuantizeInput& input, PartsWriter& parts) const override {
    const Layout at = layout(tensor);
    if (input.decoded.empty()) throw Failure("there is nothing below to correct");
    Matrix E(at.m, at.n);
    for (Eigen::Index i = 0; i < E.size(); ++i) {
      const auto k = static_cast<std::size_t>(i);
      E.data()[i] = static_cast<double>(input.weights[k] - input.decoded[k]);
    }
    const Factors factors = factorise(E, at.r);
    Packed a = pack_factor(factors.A, at.a_group, at.symmetric ? kSymmetricBits : a_bits.value(), at.symmetric);
    Packed b = pack_factor(factors.B, at.b_group, at.symmetric ? kSymmetricBits : b_bits.value(), at.symmetric);
    if (!improves(at, E, a, b)) {
      std::fill(a.codes.begin(), a.codes.end(), int8_t{0});
      std::fill(b.codes.begin(), b.codes.end(), int8_t{0});
    }
    parts.put("a", a.codes);
    parts.put("a_scales", a.scales);
    parts.put("b", b.codes);
    parts.put("b_scales", b.scales);
  }

  // Does the correction, with its own rounding, leave less than it found?
  [[nodiscard]] static bool improves(const Layout& at, const Matrix& E, const Packed& a, const Packed& b) {
    std::vector<float> correction(static_cast<std::size_t>(E.size()));
    add_product(at, unpack(a), unpack(b), correction);
    double left = 0;
    for (Eigen::Index i = 0; i < E.size(); ++i) {
      const double rest = E.data()[i] - static_cast<double>(correction[static_cast<std::size_t>(i)]);
      left += rest * rest;
    }
    return left < E.squaredNorm();
  }

  void decode(const TensorInfo& tensor, const PartsReader& parts, std::span<float> out) const override {
    const Layout at = layout(tensor);
    const Packed a{parts.get<int8_t>("a", at.m * at.r), parts.get<uint16_t>("a_scales", at.m * at.r / at.a_group)};
    const Packed b{parts.get<int8_t>("b", at.r * at.n), parts.get<uint16_t>("b_scales", at.r * at.n / at.b_group)};
    add_product(at, unpack(a), unpack(b), out);
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(Lqer)
