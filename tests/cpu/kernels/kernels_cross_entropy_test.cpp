#include <cmath>
#include <limits>
#include <string>

#include "core/cpu/kernels/cross_entropy.hpp"
#include "core/cpu/kernels/gemm.hpp"
#include "tests/cpu/kernels/support.hpp"

namespace caddie::cpu {
namespace {

using namespace caddie::cpu::testing;
using std::int64_t;

std::size_t at(int64_t i) { return static_cast<std::size_t>(i); }

struct Wanted {
  std::vector<double> nll, lse, entropy, d_logits;  // d_logits: of the logits before the cap
};

struct Slopes {
  std::vector<float> nll, lse, entropy;
};

// u [rows, vocab] before the cap.
Wanted reference(const std::vector<double>& u, int64_t rows, int64_t vocab, double cap,
                 const std::vector<std::int32_t>& targets, const Slopes& d) {
  Wanted out;
  out.d_logits.resize(u.size());
  for (int64_t i = 0; i < rows; ++i) {
    std::vector<double> z(at(vocab));
    double high = -1e300, sum = 0, mean = 0;
    for (int64_t v = 0; v < vocab; ++v) {
      z[at(v)] = cap > 0 ? cap * std::tanh(u[at(i * vocab + v)] / cap) : u[at(i * vocab + v)];
      high = std::max(high, z[at(v)]);
    }
    for (double value : z) sum += std::exp(value - high);
    const double lse = high + std::log(sum);
    for (double value : z) mean += std::exp(value - lse) * value;
    const double entropy = lse - mean;
    const int64_t target = targets[at(i)];
    out.lse.push_back(lse);
    out.entropy.push_back(entropy);
    out.nll.push_back(target < 0 ? 0 : lse - z[at(target)]);
    const double d_nll = target < 0 ? 0.0 : static_cast<double>(d.nll[at(i)]);
    for (int64_t v = 0; v < vocab; ++v) {
      const double p = std::exp(z[at(v)] - lse);
      double slope = (d_nll + d.lse[at(i)]) * p - d.entropy[at(i)] * p * (z[at(v)] - lse + entropy);
      if (v == target) slope -= d_nll;
      const double t = cap > 0 ? z[at(v)] / cap : 0;
      out.d_logits[at(i * vocab + v)] = slope * (1 - t * t);
    }
  }
  return out;
}

std::vector<std::int32_t> random_targets(int64_t rows, int64_t vocab) {
  std::mt19937 random(8);
  std::vector<std::int32_t> targets;
  for (int64_t i = 0; i < rows; ++i)
    targets.push_back(static_cast<std::int32_t>(random() % static_cast<unsigned>(vocab)));
  if (rows > 2) targets[1] = -1;
  return targets;
}

class CrossEntropyTest : public EachIsa {};
INSTANTIATE_EACH_ISA(CrossEntropyTest);

TEST_P(CrossEntropyTest, FromLogits) {
  for (const auto& [rows, vocab] : {std::pair<int64_t, int64_t>{1, 1}, {3, 2}, {7, 33}, {20, 1024}, {5, 5000}}) {
    const int64_t ld = vocab + 3;
    std::vector<float> logits = normals(rows * ld, 1, 4.0F);
    const std::vector<std::int32_t> targets = random_targets(rows, vocab);
    const Slopes d{normals(rows, 2), normals(rows, 3), normals(rows, 4)};
    std::vector<double> u;
    for (int64_t i = 0; i < rows; ++i) u.insert(u.end(), logits.begin() + i * ld, logits.begin() + i * ld + vocab);
    const Wanted want = reference(u, rows, vocab, 0, targets, d);
    std::vector<float> first;
    for (const int threads : {1, 2, 3}) {
      ThreadPool pool(threads);
      std::vector<float> nll(at(rows)), lse(at(rows)), entropy(at(rows)), lse_alone(at(rows));
      cross_entropy_forward(logits.data(), ld, rows, vocab, targets.data(), {nll.data(), lse.data(), entropy.data()},
                            pool);
      expect_close(nll, want.nll, 3e-6, 2e-6, "nll");
      expect_close(lse, want.lse, 2e-6, 1e-6, "lse");
      expect_close(entropy, want.entropy, 1e-5, 1e-6, "entropy");
      cross_entropy_forward(logits.data(), ld, rows, vocab, targets.data(), {nullptr, lse_alone.data(), nullptr}, pool);
      expect_close(lse_alone, want.lse, 2e-6, 1e-6, "lse alone");
      std::vector<float> d_logits(at(rows * vocab));
      cross_entropy_backward(logits.data(), ld, rows, vocab, targets.data(),
                             {lse.data(), entropy.data(), d.nll.data(), d.lse.data(), d.entropy.data()},
                             d_logits.data(), vocab, pool);
      expect_close(d_logits, want.d_logits, 5e-6, 1e-5, "d_logits of " + std::to_string(vocab));
      if (threads == 1) first = d_logits;
      EXPECT_TRUE(same_bits(first, d_logits));
      std::vector<float> in_place = logits;
      cross_entropy_backward(in_place.data(), ld, rows, vocab, targets.data(),
                             {lse.data(), entropy.data(), d.nll.data(), d.lse.data(), d.entropy.data()},
                             in_place.data(), ld, pool);
      for (int64_t i = 0; i < rows; ++i) {
        EXPECT_EQ(std::memcmp(&in_place[at(i * ld)], &d_logits[at(i * vocab)], at(vocab) * 4), 0);
      }
    }
  }
}

TEST_P(CrossEntropyTest, HiddenWordsAndWrongTargets) {
  const float inf = std::numeric_limits<float>::infinity();
  std::vector<float> logits(50, 0.0F);
  for (std::size_t i = 10; i < 50; ++i) logits[i] = -inf;
  const std::vector<std::int32_t> targets{3};
  ThreadPool pool(1);
  float nll = 0, lse = 0, entropy = 0;
  cross_entropy_forward(logits.data(), 50, 1, 50, targets.data(), {&nll, &lse, &entropy}, pool);
  EXPECT_NEAR(nll, std::log(10.0), 1e-6);
  EXPECT_NEAR(entropy, std::log(10.0), 1e-6);
  const float one = 1.0F;
  std::vector<float> d(50);
  cross_entropy_backward(logits.data(), 50, 1, 50, targets.data(), {&lse, &entropy, &one, nullptr, &one}, d.data(), 50,
                         pool);
  EXPECT_NEAR(d[3], -0.9, 1e-6);
  EXPECT_NEAR(d[4], 0.1, 1e-6);
  EXPECT_EQ(d[40], 0.0F);
  const std::vector<std::int32_t> beyond{50};
  cross_entropy_forward(logits.data(), 50, 1, 50, beyond.data(), {&nll, nullptr, nullptr}, pool);
  EXPECT_TRUE(std::isnan(nll));
  cross_entropy_backward(logits.data(), 50, 1, 50, beyond.data(), {&lse, nullptr, &one, nullptr, nullptr}, d.data(), 50,
                         pool);
  EXPECT_TRUE(std::isnan(d[0]));
}

struct HeadCase {
  int64_t rows, dim, vocab;
  float cap;
  bool packed, keep_logits, accumulate;
};

struct HeadRun {
  std::vector<float> nll, lse, entropy, dx, dw;
};

HeadRun run_head(const HeadCase& c, const Head& plain, const Slopes& d, int threads) {
  ThreadPool pool(threads);
  Head head = plain;
  Workspace w_forward(packed_b_bytes(head.factors, c.dim, c.vocab)),
      w_backward(packed_b_bytes(head.factors, c.vocab, c.dim));
  if (c.packed) {
    pack_b(head.factors, {head.w, head.ldw, true, 0}, c.dim, c.vocab, pool, w_forward.floats());
    pack_b(head.factors, {head.w, head.ldw, false, 0}, c.vocab, c.dim, pool, w_backward.floats());
    head.w_forward = w_forward.floats();
    head.w_backward = w_backward.floats();
  }
  HeadRun out{std::vector<float>(at(c.rows)), std::vector<float>(at(c.rows)), std::vector<float>(at(c.rows)),
              std::vector<float>(at(c.rows * c.dim)), std::vector<float>(at(c.vocab * c.dim), 0.5F)};
  std::vector<float> logits(c.keep_logits ? at(c.rows * c.vocab) : 0);
  float* kept = c.keep_logits ? logits.data() : nullptr;
  {
    Workspace space(head_forward_workspace_bytes(head, threads));
    head_forward(head, {out.nll.data(), out.lse.data(), out.entropy.data()}, kept, pool, space.get());
  }
  Workspace space(head_backward_workspace_bytes(head, threads));
  head_backward(head, {out.lse.data(), out.entropy.data(), d.nll.data(), d.lse.data(), d.entropy.data()}, kept,
                {out.dx.data(), c.dim, out.dw.data(), c.dim, c.accumulate}, pool, space.get());
  return out;
}

void check_head(const HeadCase& c) {
  const std::string text = std::to_string(c.rows) + "x" + std::to_string(c.dim) + "x" + std::to_string(c.vocab);
  const int64_t ldx = c.dim + 2, ldw = c.dim + 1;
  const std::vector<float> x = normals(c.rows * ldx, 1), w = normals(c.vocab * ldw, 2, 0.3F);
  const std::vector<std::int32_t> targets = random_targets(c.rows, c.vocab);
  const Slopes d{normals(c.rows, 3), normals(c.rows, 4, 0.1F), normals(c.rows, 5, 0.1F)};
  std::vector<double> u(at(c.rows * c.vocab));
  for (int64_t i = 0; i < c.rows; ++i) {
    for (int64_t v = 0; v < c.vocab; ++v) {
      for (int64_t k = 0; k < c.dim; ++k)
        u[at(i * c.vocab + v)] += static_cast<double>(x[at(i * ldx + k)]) * w[at(v * ldw + k)];
    }
  }
  const Wanted want = reference(u, c.rows, c.vocab, static_cast<double>(c.cap), targets, d);
  std::vector<double> dx(at(c.rows * c.dim)), dw(at(c.vocab * c.dim), c.accumulate ? 0.5 : 0.0);
  for (int64_t i = 0; i < c.rows; ++i) {
    for (int64_t v = 0; v < c.vocab; ++v) {
      const double slope = want.d_logits[at(i * c.vocab + v)];
      for (int64_t k = 0; k < c.dim; ++k) {
        dx[at(i * c.dim + k)] += slope * w[at(v * ldw + k)];
        dw[at(v * c.dim + k)] += slope * x[at(i * ldx + k)];
      }
    }
  }
  Head head;
  head.rows = c.rows;
  head.dim = c.dim;
  head.vocab = c.vocab;
  head.cap = c.cap;
  head.x = x.data();
  head.ldx = ldx;
  head.w = w.data();
  head.ldw = ldw;
  head.targets = targets.data();
  Head rounded = head;
  rounded.factors = Factors::bf16;
  const HeadRun near = run_head(c, rounded, d, 1);
  EXPECT_LT(distance(near.nll, want.nll), 0.01) << text;
  EXPECT_LT(distance(near.dx, dx), 0.02) << text;
  EXPECT_LT(distance(near.dw, dw), 0.02) << text;
  const HeadRun one = run_head(c, head, d, 1);
  expect_close(one.nll, want.nll, 1e-5, 5e-6, text + " nll");
  expect_close(one.lse, want.lse, 1e-5, 2e-6, text + " lse");
  expect_close(one.entropy, want.entropy, 3e-5, 5e-6, text + " entropy");
  expect_close(one.dx, dx, 2e-5, 2e-5, text + " dx");
  expect_close(one.dw, dw, 2e-5, 2e-5, text + " dw");
  for (const int threads : {2, 3}) {
    const HeadRun other = run_head(c, head, d, threads);
    EXPECT_TRUE(same_bits(one.nll, other.nll) && same_bits(one.lse, other.lse) && same_bits(one.entropy, other.entropy))
        << text;
    EXPECT_TRUE(same_bits(one.dx, other.dx) && same_bits(one.dw, other.dw)) << text;
  }
}

TEST_P(CrossEntropyTest, FusedHead) {
  check_head({.rows = 1, .dim = 1, .vocab = 1, .cap = 0, .packed = false, .keep_logits = false, .accumulate = false});
  check_head({.rows = 5, .dim = 16, .vocab = 40, .cap = 0, .packed = false, .keep_logits = false, .accumulate = true});
  check_head(
      {.rows = 145, .dim = 40, .vocab = 1030, .cap = 5, .packed = true, .keep_logits = false, .accumulate = false});
  check_head({.rows = 77, .dim = 33, .vocab = 257, .cap = 3, .packed = false, .keep_logits = true, .accumulate = true});
  check_head(
      {.rows = 30, .dim = 400, .vocab = 64, .cap = 15, .packed = true, .keep_logits = true, .accumulate = false});
}

TEST_P(CrossEntropyTest, FusedHeadInSeveralChunks) {
  check_head(
      {.rows = 300, .dim = 8, .vocab = 20000, .cap = 10, .packed = false, .keep_logits = false, .accumulate = false});
}

TEST_P(CrossEntropyTest, FusedHeadWithoutRowsClearsTheWeightGradient) {
  Head head;
  head.dim = 4;
  head.vocab = 6;
  ThreadPool pool(2);
  std::vector<float> dw(24, 3.0F);
  const std::vector<float> w(24, 1.0F);
  head.w = w.data();
  head.ldw = 4;
  Workspace space(head_backward_workspace_bytes(head, 2));
  head_backward(head, {}, nullptr, {nullptr, 0, dw.data(), 4, false}, pool, space.get());
  EXPECT_EQ(dw, std::vector<float>(24, 0.0F));
}

}  // namespace
}  // namespace caddie::cpu
