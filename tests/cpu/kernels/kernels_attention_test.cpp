#include <algorithm>
#include <limits>
#include <string>

#include "core/cpu/kernels/attention.hpp"
#include "core/cpu/kernels/gemm.hpp"
#include "tests/cpu/kernels/support.hpp"

namespace caddie::cpu {
namespace {

using namespace caddie::cpu::testing;

struct Case {
  std::int64_t batch, queries, keys, heads, kv_heads, dim;
  bool causal = true;
  bool segments = false;
  bool d_lse = false;
  std::int64_t slack = 0;  // floats between heads

  std::string text() const {
    return "B" + std::to_string(batch) + " T" + std::to_string(queries) + " S" + std::to_string(keys) + " H" +
           std::to_string(heads) + " K" + std::to_string(kv_heads) + " D" + std::to_string(dim) +
           (causal ? " causal" : " full") + (segments ? " segments" : "");
  }
};

struct Outputs {
  std::vector<float> y, lse, dq, dk, dv;
};

// Operands that are given in bfloat16.
enum Narrow : unsigned { kQ = 1, kK = 2, kV = 4, kY = 8, kDy = 16, kDq = 32, kDk = 64, kDv = 128, kAll = 255 };

// An array in float32, and the same in bfloat16 for kernels that read or write that.
struct Array {
  Array(std::vector<float>& numbers, bool is_narrow) : wide(numbers) {
    if (is_narrow) halves = narrowed(wide);
  }
  HeadsIn in(std::int64_t batch, std::int64_t position, std::int64_t head) const {
    return {halves.empty() ? wide.data() : nullptr, batch, position, head, halves.empty() ? nullptr : halves.data()};
  }
  HeadsOut out(std::int64_t batch, std::int64_t position, std::int64_t head) {
    return {halves.empty() ? wide.data() : nullptr, batch, position, head, halves.empty() ? nullptr : halves.data()};
  }
  void widen() {
    if (!halves.empty()) wide = widened(halves);
  }
  std::vector<float>& wide;
  std::vector<std::uint16_t> halves;
};

struct Wanted {
  std::vector<double> y, lse, dq, dk, dv;
};

struct Problem {
  explicit Problem(const Case& what) : c(what) {
    q_head = c.dim + c.slack;
    q_position = q_head * c.heads + c.slack;
    k_position = q_head * c.kv_heads;
    q_batch = q_position * c.queries;
    k_batch = k_position * c.keys;
    q = normals(q_batch * c.batch, 1);
    k = normals(k_batch * c.batch, 2);
    v = normals(k_batch * c.batch, 3);
    dy = normals(q_batch * c.batch, 4);
    d_lse = normals(c.batch * c.heads * c.queries, 5);
    std::mt19937 random(6);
    for (std::int64_t b = 0; b < c.batch; ++b) {
      std::int32_t id = 0;
      std::vector<std::int32_t> ids;
      for (std::int64_t s = 0; s < c.keys; ++s) {
        if (random() % 20 == 0) id = static_cast<std::int32_t>(random() % 7);
        ids.push_back(id);
      }
      key_ids.insert(key_ids.end(), ids.begin(), ids.end());
      for (std::int64_t t = 0; t < c.queries; ++t) {
        query_ids.push_back(ids[static_cast<std::size_t>(std::max<std::int64_t>(0, t + c.keys - c.queries))]);
      }
    }
    if (c.segments) query_ids[0] = 99;  // sees nothing
  }

  AttentionShape shape(Factors factors) const {
    AttentionShape s{
        .batch = c.batch, .queries = c.queries, .keys = c.keys, .heads = c.heads, .kv_heads = c.kv_heads, .dim = c.dim};
    s.causal = c.causal;
    s.scale = scale;
    s.factors = factors;
    if (c.segments) {
      s.query_segments = query_ids.data();
      s.key_segments = key_ids.data();
    }
    return s;
  }

  Outputs run(int threads, Factors factors = Factors::f32, unsigned narrow = 0) {
    const AttentionShape shape = this->shape(factors);
    ThreadPool pool(threads);
    Outputs out;
    out.y.assign(q.size(), 7.0F);
    out.lse.assign(d_lse.size(), 7.0F);
    out.dq = out.y;
    out.dk.assign(k.size(), 7.0F);
    out.dv = out.dk;
    const Array queries(q, (narrow & kQ) != 0), keys(k, (narrow & kK) != 0), values(v, (narrow & kV) != 0);
    const Array slopes(dy, (narrow & kDy) != 0);
    Array y(out.y, (narrow & kY) != 0);
    Array dq(out.dq, (narrow & kDq) != 0), dk(out.dk, (narrow & kDk) != 0), dv(out.dv, (narrow & kDv) != 0);
    AttentionForward forward;
    forward.shape = shape;
    forward.q = queries.in(q_batch, q_position, q_head);
    forward.k = keys.in(k_batch, k_position, q_head);
    forward.v = values.in(k_batch, k_position, q_head);
    forward.y = y.out(q_batch, q_position, q_head);
    forward.lse = out.lse.data();
    {
      Workspace space(attention_forward_workspace_bytes(shape, threads));
      attention_forward(forward, pool, space.get());
    }
    AttentionBackward backward;
    backward.shape = shape;
    backward.q = forward.q;
    backward.k = forward.k;
    backward.v = forward.v;
    backward.y = y.in(q_batch, q_position, q_head);
    backward.lse = out.lse.data();
    backward.dy = slopes.in(q_batch, q_position, q_head);
    backward.d_lse = c.d_lse ? d_lse.data() : nullptr;
    backward.dq = dq.out(q_batch, q_position, q_head);
    backward.dk = dk.out(k_batch, k_position, q_head);
    backward.dv = dv.out(k_batch, k_position, q_head);
    Workspace space(attention_backward_workspace_bytes(shape, threads));
    attention_backward(backward, pool, space.get());
    for (Array* array : {&y, &dq, &dk, &dv}) array->widen();
    return out;
  }

  bool visible(std::int64_t b, std::int64_t t, std::int64_t s) const {
    if (c.causal && s > t + c.keys - c.queries) return false;
    return !c.segments || query_ids[static_cast<std::size_t>(b * c.queries + t)] ==
                              key_ids[static_cast<std::size_t>(b * c.keys + s)];
  }

  Wanted expected() const {
    // What lies between heads stays as it was.
    Wanted out;
    out.y.assign(q.size(), 7.0);
    out.lse.assign(d_lse.size(), 7.0);
    out.dq = out.y;
    out.dk.assign(k.size(), 7.0);
    for (std::int64_t i = 0; i < k_batch * c.batch; ++i) {
      if (i % q_head < c.dim) out.dk[static_cast<std::size_t>(i)] = 0;
    }
    out.dv = out.dk;
    for (std::int64_t b = 0; b < c.batch; ++b) {
      for (std::int64_t h = 0; h < c.heads; ++h) {
        for (std::int64_t t = 0; t < c.queries; ++t) row(b, h, t, out);
      }
    }
    return out;
  }

  void row(std::int64_t b, std::int64_t h, std::int64_t t, Wanted& out) const {
    const auto at = [](std::int64_t i) { return static_cast<std::size_t>(i); };
    const std::int64_t iq = b * q_batch + t * q_position + h * q_head;
    const std::int64_t ik = b * k_batch + h / (c.heads / c.kv_heads) * q_head;
    std::vector<double> score(at(c.keys), -std::numeric_limits<double>::infinity());
    double high = -std::numeric_limits<double>::infinity();
    for (std::int64_t s = 0; s < c.keys; ++s) {
      if (!visible(b, t, s)) continue;
      double sum = 0;
      for (std::int64_t d = 0; d < c.dim; ++d)
        sum += static_cast<double>(q[at(iq + d)]) * k[at(ik + s * k_position + d)];
      score[at(s)] = static_cast<double>(scale) * sum;
      high = std::max(high, score[at(s)]);
    }
    double total = 0;
    for (double value : score) total += std::isinf(value) ? 0 : std::exp(value - high);
    const std::int64_t il = (b * c.heads + h) * c.queries + t;
    out.lse[at(il)] = total == 0 ? -std::numeric_limits<double>::infinity() : high + std::log(total);
    for (std::int64_t d = 0; d < c.dim; ++d) out.y[at(iq + d)] = out.dq[at(iq + d)] = 0;
    double delta = c.d_lse ? -static_cast<double>(d_lse[at(il)]) : 0.0;
    std::vector<double> dp(at(c.keys));
    for (double& value : score) value = std::isinf(value) ? 0 : std::exp(value - high) / total;
    for (std::int64_t s = 0; s < c.keys; ++s) {
      for (std::int64_t d = 0; d < c.dim; ++d) {
        out.y[at(iq + d)] += score[at(s)] * v[at(ik + s * k_position + d)];
        dp[at(s)] += static_cast<double>(dy[at(iq + d)]) * v[at(ik + s * k_position + d)];
      }
    }
    for (std::int64_t d = 0; d < c.dim; ++d) delta += out.y[at(iq + d)] * dy[at(iq + d)];
    for (std::int64_t s = 0; s < c.keys; ++s) {
      const double slope = static_cast<double>(scale) * score[at(s)] * (dp[at(s)] - delta);
      for (std::int64_t d = 0; d < c.dim; ++d) {
        const std::size_t j = at(ik + s * k_position + d);
        out.dq[at(iq + d)] += slope * k[j];
        out.dk[j] += slope * q[at(iq + d)];
        out.dv[j] += score[at(s)] * dy[at(iq + d)];
      }
    }
  }

  // Rounded factors: a few times 2^-9 of the norm.
  void check_bf16(const Wanted& want) {
    const Outputs one = run(1, Factors::bf16);
    EXPECT_LT(distance(one.y, want.y), 0.01) << c.text();
    EXPECT_LT(distance(one.dq, want.dq), 0.02) << c.text();
    EXPECT_LT(distance(one.dk, want.dk), 0.02) << c.text();
    EXPECT_LT(distance(one.dv, want.dv), 0.01) << c.text();
    const Outputs other = run(3, Factors::bf16);
    EXPECT_TRUE(same_bits(one.y, other.y) && same_bits(one.lse, other.lse)) << c.text();
    EXPECT_TRUE(same_bits(one.dq, other.dq) && same_bits(one.dk, other.dk) && same_bits(one.dv, other.dv)) << c.text();
  }

  // Queries, keys and values in bfloat16 are what the kernel makes of them anyway, and results are those in float32,
  // rounded. What is read of y and dy outside of products, their product, changes by their rounding.
  void check_narrow() {
    const Outputs wide = run(1, Factors::bf16);
    const auto rounded = [](const std::vector<float>& numbers) { return widened(narrowed(numbers)); };
    const auto exactly = [](const std::vector<float>& numbers) {
      return std::vector<double>(numbers.begin(), numbers.end());
    };
    for (const unsigned narrow : {kQ | kDv, kK | kDq, kV | kDk, kQ | kK | kV, kQ | kK | kV | kDq | kDk | kDv}) {
      const Outputs got = run(1, Factors::bf16, narrow);
      EXPECT_TRUE(same_bits(got.y, wide.y) && same_bits(got.lse, wide.lse)) << c.text() << narrow;
      EXPECT_TRUE(same_bits(got.dq, (narrow & kDq) != 0 ? rounded(wide.dq) : wide.dq)) << c.text() << narrow;
      EXPECT_TRUE(same_bits(got.dk, (narrow & kDk) != 0 ? rounded(wide.dk) : wide.dk)) << c.text() << narrow;
      EXPECT_TRUE(same_bits(got.dv, (narrow & kDv) != 0 ? rounded(wide.dv) : wide.dv)) << c.text() << narrow;
    }
    for (const unsigned narrow : {unsigned{kY}, unsigned{kDy}, unsigned{kAll}}) {
      const Outputs got = run(2, Factors::bf16, narrow);
      EXPECT_TRUE(same_bits(got.y, (narrow & kY) != 0 ? rounded(wide.y) : wide.y)) << c.text() << narrow;
      EXPECT_TRUE(same_bits(got.lse, wide.lse)) << c.text() << narrow;
      EXPECT_TRUE(same_bits(got.dv, (narrow & kDv) != 0 ? rounded(wide.dv) : wide.dv)) << c.text() << narrow;
      if (c.keys < 8) continue;  // slopes are differences of almost equal numbers then
      EXPECT_LT(distance(got.dq, exactly(wide.dq)), 0.01) << c.text() << narrow;
      EXPECT_LT(distance(got.dk, exactly(wide.dk)), 0.01) << c.text() << narrow;
    }
  }

  void check() {
    const Wanted want = expected();
    check_bf16(want);
    if (takes_narrow(Factors::bf16)) check_narrow();
    const Outputs one = run(1);
    for (std::size_t i = 0; i < want.lse.size(); ++i) {
      if (std::isinf(want.lse[i])) {
        EXPECT_EQ(one.lse[i], -std::numeric_limits<float>::infinity()) << c.text();
      } else {
        EXPECT_NEAR(one.lse[i], want.lse[i], 1e-5) << c.text();
      }
    }
    expect_close(one.y, want.y, 1e-5, 1e-5, c.text() + " y");
    expect_close(one.dq, want.dq, 5e-5, 5e-5, c.text() + " dq");
    expect_close(one.dk, want.dk, 1e-4, 5e-5, c.text() + " dk");
    expect_close(one.dv, want.dv, 5e-5, 5e-5, c.text() + " dv");
    for (const int threads : {2, 3}) {
      const Outputs other = run(threads);
      EXPECT_TRUE(same_bits(one.y, other.y) && same_bits(one.lse, other.lse)) << c.text();
      EXPECT_TRUE(same_bits(one.dq, other.dq) && same_bits(one.dk, other.dk) && same_bits(one.dv, other.dv))
          << c.text();
    }
  }

  Case c;
  float scale = 0.23F;
  std::int64_t q_head, q_position, k_position, q_batch, k_batch;
  std::vector<float> q, k, v, dy, d_lse;
  std::vector<std::int32_t> query_ids, key_ids;
};

class AttentionTest : public EachIsa {};
INSTANTIATE_EACH_ISA(AttentionTest);

TEST_P(AttentionTest, SequenceLengthsAroundTheTiles) {
  for (const std::int64_t t : {1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 125, 126, 127, 130, 200, 257}) {
    Problem({.batch = 1, .queries = t, .keys = t, .heads = 2, .kv_heads = 2, .dim = 16}).check();
    Problem({.batch = 1, .queries = t, .keys = t, .heads = 1, .kv_heads = 1, .dim = 8, .causal = false}).check();
  }
}

TEST_P(AttentionTest, HeadDimensions) {
  for (const std::int64_t d : {1, 3, 8, 14, 16, 24, 32, 40, 64, 80, 96, 128, 136, 256}) {
    Problem({.batch = 1, .queries = 40, .keys = 40, .heads = 2, .kv_heads = 1, .dim = d, .d_lse = true}).check();
  }
}

TEST_P(AttentionTest, GroupedQueriesAndStrides) {
  Problem({.batch = 2, .queries = 50, .keys = 50, .heads = 8, .kv_heads = 4, .dim = 32, .slack = 3}).check();
  Problem({.batch = 3, .queries = 50, .keys = 50, .heads = 6, .kv_heads = 2, .dim = 16, .d_lse = true, .slack = 16})
      .check();
  Problem({.batch = 1, .queries = 70, .keys = 70, .heads = 4, .kv_heads = 1, .dim = 64}).check();
}

TEST_P(AttentionTest, KeysBeforeTheQueries) {
  Problem({.batch = 2, .queries = 1, .keys = 150, .heads = 2, .kv_heads = 1, .dim = 16}).check();
  Problem({.batch = 1, .queries = 37, .keys = 300, .heads = 2, .kv_heads = 1, .dim = 16}).check();
  Problem({.batch = 1, .queries = 140, .keys = 20, .heads = 2, .kv_heads = 1, .dim = 16})
      .check();  // early ones see nothing
  Problem({.batch = 1, .queries = 90, .keys = 33, .heads = 2, .kv_heads = 1, .dim = 16, .causal = false}).check();
}

TEST_P(AttentionTest, SegmentsHideOtherDocuments) {
  for (const bool causal : {true, false}) {
    Problem({.batch = 2,
             .queries = 300,
             .keys = 300,
             .heads = 2,
             .kv_heads = 1,
             .dim = 16,
             .causal = causal,
             .segments = true,
             .d_lse = true})
        .check();
    Problem({.batch = 1,
             .queries = 100,
             .keys = 333,
             .heads = 2,
             .kv_heads = 2,
             .dim = 8,
             .causal = causal,
             .segments = true})
        .check();
  }
}

TEST_P(AttentionTest, LargeScoresDoNotOverflow) {
  Problem problem({.batch = 1, .queries = 100, .keys = 100, .heads = 1, .kv_heads = 1, .dim = 16});
  problem.scale = 40.0F;
  const Wanted want = problem.expected();
  const Outputs got = problem.run(2);
  expect_close(got.y, want.y, 2e-3, 1e-4, "y");
  expect_close(got.lse, want.lse, 1e-3, 1e-5, "lse");
}

TEST_P(AttentionTest, NanStaysWithTheQueriesThatSeeIt) {
  Problem problem({.batch = 1, .queries = 150, .keys = 150, .heads = 1, .kv_heads = 1, .dim = 16});
  problem.k[static_cast<std::size_t>(70 * problem.k_position)] = std::numeric_limits<float>::quiet_NaN();
  const Outputs out = problem.run(1);
  for (std::size_t t = 0; t < 150; ++t) {
    EXPECT_EQ(std::isnan(out.y[t * 16]), t >= 70) << t;
    EXPECT_EQ(std::isnan(out.lse[t]), t >= 70) << t;
  }
}

TEST(AttentionFlopsTest, CountsVisiblePairs) {
  AttentionShape s{.batch = 2, .queries = 3, .keys = 3, .heads = 5, .kv_heads = 5, .dim = 7};
  EXPECT_EQ(attention_forward_flops(s), 4.0 * 7 * 6 * 10);
  s.causal = false;
  EXPECT_EQ(attention_backward_flops(s), 10.0 * 7 * 9 * 10);
}

}  // namespace
}  // namespace caddie::cpu
