// The best approximation of a matrix by a product of two thin ones, in float64 (Eckart & Young 1936).
#pragma once

#include <Eigen/QR>
#include <Eigen/SVD>

#include <algorithm>

namespace lqer {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

struct Factors {
  Matrix A;  // [m, r]
  Matrix B;  // [r, n]
};

// The largest entry of each column of A becomes positive, so that the codes do not depend on the library's choice of
// signs.
inline void fix_signs(Factors& factors) {
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
inline Factors factorise_tall(const Matrix& E, Eigen::Index r) {
  const Eigen::Index n = E.cols();
  const Eigen::HouseholderQR<Matrix> qr(E);
  const Matrix R = qr.matrixQR().topRows(n).triangularView<Eigen::Upper>();
  const Eigen::BDCSVD<Matrix> svd(R, Eigen::ComputeThinU | Eigen::ComputeThinV);
  Matrix U = Matrix::Zero(E.rows(), r);
  U.topRows(n) = svd.matrixU().leftCols(r);
  U.applyOnTheLeft(qr.householderQ());
  return {U * svd.singularValues().head(r).asDiagonal(), svd.matrixV().leftCols(r).transpose()};
}

// E ~ A B with r columns and rows.
inline Factors factorise(const Matrix& E, Eigen::Index r) {
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

}  // namespace lqer
