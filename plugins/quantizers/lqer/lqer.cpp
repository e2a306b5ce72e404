// LQER: what quantization lost comes back as a product of two thin matrices (Zhang et al. 2024, arXiv:2402.02446).
//
//   E = W - W^ ;  E ~ U_r S_r V_r^T ;  A = U_r S_r [m, r], B = V_r^T [r, n] ;  W^ <- W^ + A^ B^
//
// A few matrices only, those with the largest ||E||_F. The factors are quantized too (openai/parameter-golf PR #1797):
//   asymmetric, when r n is a multiple of the group g:  A in 2 bits with one scale max|A| / 1.5, B in 4 bits with a
//   scale max|.| / 7.5 for every g entries; both with the full two's-complement range and without a zero point;
//   symmetric, otherwise:  both in 4 bits with one scale a row.
#include <caddie/plugin.hpp>

#include "factor_codes.hpp"
#include "low_rank.hpp"

#include <algorithm>
#include <array>

namespace {

using namespace caddie;

using lqer::Factors;
using lqer::Matrix;
using lqer::Packed;

constexpr int kSymmetricBits = 4;

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
    if (symmetric) return lqer::pack(factor, static_cast<std::size_t>(group), half_range - 1, 1 - half_range, half_range - 1);
    return lqer::pack(factor, static_cast<std::size_t>(group), half_range - 0.5f, -half_range, half_range - 1);
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
    const Factors factors = lqer::factorise(E, at.r);
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
    add_product(at, lqer::unpack(a), lqer::unpack(b), correction);
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
    add_product(at, lqer::unpack(a), lqer::unpack(b), out);
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(Lqer)
