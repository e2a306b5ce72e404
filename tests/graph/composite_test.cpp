// Composites against loops written from their formulas, without the graph.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/graph/op_cases.hpp"

namespace caddie::graph::testing {
namespace {

// All outputs of a case in order.
std::vector<Numbers> outputs_of(const OpCase& use, const Named& numbers) {
  Graph graph;
  const Value first = use.build(graph);
  EXPECT_TRUE(graph.status().ok()) << graph.status().error().message();
  const std::uint32_t count = graph.node_of(first).output_count;
  for (std::uint32_t i = 0; i < count; ++i) graph.output("y" + std::to_string(i), first + i);
  const Named results = run(graph, numbers);
  std::vector<Numbers> outputs;
  for (std::uint32_t i = 0; i < count; ++i) outputs.push_back(results.at("y" + std::to_string(i)));
  return outputs;
}

struct Tensor {
  const Numbers& data;
  const Shape& shape;

  double operator()(std::int64_t a, std::int64_t b, std::int64_t c, std::int64_t d) const {
    return data[static_cast<std::size_t>(((a * shape[1] + b) * shape[2] + c) * shape[3] + d)];
  }
  [[nodiscard]] double at(std::int64_t row, std::int64_t column) const {
    return data[static_cast<std::size_t>(row * shape[shape.rank() - 1] + column)];
  }
};

struct AttentionResult {
  Numbers y, lse;
};

// One query at a time, over the keys it may see, head by head.
AttentionResult attention_by_hand(const OpCase& use, const Named& numbers) {
  const Tensor q{numbers.at("in0"), use.shapes[0]};
  const Tensor k{numbers.at("in1"), use.shapes[1]};
  const Tensor v{numbers.at("in2"), use.shapes[2]};
  const auto [B, T, H, D] = std::array{q.shape[0], q.shape[1], q.shape[2], q.shape[3]};
  const auto [S, K] = std::array{k.shape[1], k.shape[2]};
  const std::int64_t causal = use.attributes.integer("causal", 1);
  const bool with_segments = use.shapes.size() > 3;
  AttentionResult out{Numbers(q.data.size()), Numbers(static_cast<std::size_t>(B * H * T))};
  for (std::int64_t b = 0; b < B; ++b) {
    for (std::int64_t h = 0; h < H; ++h) {
      for (std::int64_t t = 0; t < T; ++t) {
        const std::int64_t g = h / (H / K);
        Numbers weights;
        std::vector<std::int64_t> seen;
        double total = 0;
        for (std::int64_t s = 0; s < S; ++s) {
          if (causal != 0 && s > (causal == 2 ? t + S - T : t)) continue;
          if (with_segments && numbers.at("in3")[static_cast<std::size_t>(b * T + t)] !=
                                   numbers.at("in3")[static_cast<std::size_t>(b * T + s)])
            continue;
          double score = 0;
          for (std::int64_t d = 0; d < D; ++d) score += q(b, t, h, d) * k(b, s, g, d);
          seen.push_back(s);
          weights.push_back(std::exp(score * use.attributes.real("scale")));
          total += weights.back();
        }
        out.lse[static_cast<std::size_t>((b * H + h) * T + t)] = std::log(total);
        for (std::int64_t d = 0; d < D; ++d) {
          double sum = 0;
          for (std::size_t i = 0; i < seen.size(); ++i) sum += weights[i] * v(b, seen[i], g, d);
          out.y[static_cast<std::size_t>(((b * T + t) * H + h) * D + d)] = sum / total;
        }
      }
    }
  }
  return out;
}

TEST(Composite, attention_with_groups_segments_and_both_masks) {
  int checked = 0;
  for (const OpCase& use : op_cases()) {
    if (use.op != Op::attention) continue;
    const Named numbers = use.numbers(21);
    const auto outputs = outputs_of(use, numbers);
    const AttentionResult wanted = attention_by_hand(use, numbers);
    expect_near(outputs[0], wanted.y, 1e-13, use.title() + " y");
    expect_near(outputs[1], wanted.lse, 1e-13, use.title() + " lse");
    ++checked;
  }
  EXPECT_GE(checked, 5);
}

TEST(Composite, attention_does_not_see_the_future) {
  const OpCase use{.op = Op::attention,
                   .shapes = {{1, 5, 4, 3}, {1, 5, 2, 3}, {1, 5, 2, 3}},
                   .attributes = Attributes().set("scale", 0.6)};
  Named numbers = use.numbers(4);
  const Numbers before = outputs_of(use, numbers)[0];
  for (const char* name : {"in1", "in2"}) {
    for (std::size_t i = 3 * 6; i < 5 * 6; ++i) numbers[name][i] += 5;  // keys and values from position 3 on
  }
  const Numbers after = outputs_of(use, numbers)[0];
  for (std::size_t i = 0; i < 3 * 12; ++i) EXPECT_EQ(before[i], after[i]);
  EXPECT_NE(before[3 * 12], after[3 * 12]);
}

TEST(Composite, rope_turns_pairs_clockwise_and_leaves_the_rest) {
  const OpCase use{.op = Op::rope, .shapes = {{2, 3, 2, 5}, {3, 2}, {3, 2}}};
  Named numbers = use.numbers(5);
  for (std::size_t i = 0; i < 6; ++i) {
    const double angle = 0.3 + 0.7 * static_cast<double>(i);
    numbers["in1"][i] = std::cos(angle);
    numbers["in2"][i] = std::sin(angle);
  }
  const Numbers y = outputs_of(use, numbers)[0];
  const Tensor x{numbers.at("in0"), use.shapes[0]};
  const Tensor turned{y, use.shapes[0]};
  for (std::int64_t b = 0; b < 2; ++b) {
    for (std::int64_t t = 0; t < 3; ++t) {
      for (std::int64_t h = 0; h < 2; ++h) {
        for (std::int64_t j = 0; j < 2; ++j) {
          const double angle = 0.3 + 0.7 * static_cast<double>(t * 2 + j);
          const double radius = std::hypot(x(b, t, h, j), x(b, t, h, j + 2));
          const double from = std::atan2(x(b, t, h, j + 2), x(b, t, h, j));
          EXPECT_NEAR(turned(b, t, h, j), radius * std::cos(from - angle), 1e-14);
          EXPECT_NEAR(turned(b, t, h, j + 2), radius * std::sin(from - angle), 1e-14);
        }
        EXPECT_EQ(turned(b, t, h, 4), x(b, t, h, 4));
      }
    }
  }
}

TEST(Composite, rms_norm_softmax_and_log_sum_exp) {
  const Shape shape{3, 4};
  const Numbers x = random_numbers(12, 8, -3, 3);
  const Numbers normed =
      outputs_of({.op = Op::rms_norm, .shapes = {shape}, .attributes = Attributes().set("eps", 0.01)}, {{"in0", x}})[0];
  const Numbers weights = outputs_of({.op = Op::softmax, .shapes = {shape}}, {{"in0", x}})[0];
  const Numbers lse = outputs_of({.op = Op::log_sum_exp, .shapes = {shape}}, {{"in0", x}})[0];
  for (std::size_t row = 0; row < 3; ++row) {
    double square = 0, total = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      square += x[row * 4 + i] * x[row * 4 + i];
      total += std::exp(x[row * 4 + i]);
    }
    EXPECT_NEAR(lse[row], std::log(total), 1e-14);
    for (std::size_t i = 0; i < 4; ++i) {
      EXPECT_NEAR(normed[row * 4 + i], x[row * 4 + i] / std::sqrt(square / 4 + 0.01), 1e-14);
      EXPECT_NEAR(weights[row * 4 + i], std::exp(x[row * 4 + i]) / total, 1e-15);
    }
  }
}

TEST(Composite, layer_norm) {
  const Numbers x = random_numbers(12, 8, -3, 3);
  const Numbers weight = random_numbers(4, 9, -2, 2);
  const Numbers bias = random_numbers(4, 10, -1, 1);
  const OpCase norm{.op = Op::layer_norm, .shapes = {{3, 4}, {4}, {4}}, .attributes = Attributes().set("eps", 0.01)};
  const Numbers y = outputs_of(norm, {{"in0", x}, {"in1", weight}, {"in2", bias}})[0];
  for (std::size_t row = 0; row < 3; ++row) {
    double mean = 0, variance = 0;
    for (std::size_t i = 0; i < 4; ++i) mean += x[row * 4 + i] / 4;
    for (std::size_t i = 0; i < 4; ++i) variance += std::pow(x[row * 4 + i] - mean, 2) / 4;
    for (std::size_t i = 0; i < 4; ++i) {
      EXPECT_NEAR(y[row * 4 + i], (x[row * 4 + i] - mean) / std::sqrt(variance + 0.01) * weight[i] + bias[i], 1e-14);
    }
  }
}

TEST(Composite, softmax_and_log_sum_exp_do_not_overflow) {
  const Numbers x{1000, 1001, -1000};
  const Numbers weights = outputs_of({.op = Op::softmax, .shapes = {{3}}}, {{"in0", x}})[0];
  expect_near(weights, {1 / (1 + std::exp(1.0)), 1 / (1 + std::exp(-1.0)), 0}, 1e-15, "softmax");
  const Numbers lse = outputs_of({.op = Op::log_sum_exp, .shapes = {{3}}}, {{"in0", x}})[0];
  expect_near(lse, {1001 + std::log1p(std::exp(-1.0))}, 1e-15, "log-sum-exp");
}

// nll, lse and entropy of logits cap * tanh(x w^T / cap), row by row.
TEST(Composite, losses) {
  for (const OpCase& use : op_cases()) {
    const bool fused = use.op == Op::linear_cross_entropy;
    if (!fused && use.op != Op::cross_entropy) continue;
    const Named numbers = use.numbers(17);
    const Tensor x{numbers.at("in0"), use.shapes[0]};
    const Numbers& targets = numbers.at(fused ? "in2" : "in1");
    const std::int64_t V = fused ? use.shapes[1][0] : use.shapes[0][use.shapes[0].rank() - 1];
    const double cap = use.attributes.real("cap");
    const auto outputs = outputs_of(use, numbers);
    for (std::int64_t row = 0; row < static_cast<std::int64_t>(targets.size()); ++row) {
      Numbers logits;
      for (std::int64_t word = 0; word < V; ++word) {
        double u = fused ? 0 : x.at(row, word);
        const std::int64_t I = fused ? use.shapes[1][1] : 0;
        for (std::int64_t i = 0; i < I; ++i)
          u += x.at(row, i) * numbers.at("in1")[static_cast<std::size_t>(word * I + i)];
        logits.push_back(cap > 0 ? cap * std::tanh(u / cap) : u);
      }
      double total = 0, entropy = 0;
      for (const double z : logits) total += std::exp(z);
      for (const double z : logits) entropy -= std::exp(z) / total * (z - std::log(total));
      const auto at = static_cast<std::size_t>(row);
      const double target = targets[at];
      const double picked = target < static_cast<double>(V) ? logits[static_cast<std::size_t>(target)] : 0;
      EXPECT_NEAR(outputs[0][at], std::log(total) - picked, 1e-13) << use.title();
      EXPECT_NEAR(outputs[1][at], std::log(total), 1e-13) << use.title();
      EXPECT_NEAR(outputs[2][at], entropy, 1e-13) << use.title();
    }
  }
}

TEST(Composite, linear_is_rows_times_the_transposed_matrix) {
  const Numbers y = outputs_of({.op = Op::linear, .shapes = {{2, 2}, {3, 2}}},
                               {{"in0", {1, 2, 3, 4}}, {"in1", {1, 0, 0, 1, 1, 1}}})[0];
  EXPECT_EQ(y, (Numbers{1, 2, 3, 3, 4, 7}));
}

}  // namespace
}  // namespace caddie::graph::testing
