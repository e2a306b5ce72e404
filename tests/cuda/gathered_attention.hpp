// Attention and its gradient on values that the executor keeps in bfloat16.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "tests/cuda/emulated.hpp"

namespace caddie::cuda::testing {

// Queries, keys and values that are bfloat16 in memory, gathered from tables: attention by tensor cores.
struct AttentionCase {
  std::int64_t B, T, S, H, K, D;
  bool causal, segments;
};

class GatheredAttention {
 public:
  using Op = graph::Op;

  explicit GatheredAttention(const AttentionCase& n) {
    const Value q = heads("q", n.B, n.T, n.H, n.D), k = heads("k", n.B, n.S, n.K, n.D),
                v = heads("v", n.B, n.S, n.K, n.D);
    std::vector<Value> inputs{q, k, v};
    Value segments = 0;
    if (n.segments) {
      leaves["segments"] = cpu::testing::random_ints(random_, n.B * n.T, 0, 2);
      segments = graph.leaf(graph::LeafKind::input, "segments", DType::i32, {n.B, n.T});
      inputs.push_back(segments);
    }
    const auto attributes = graph::Attributes().set("scale", 0.3).set("causal", std::int64_t{n.causal});
    const Value y = graph.emit(Op::attention, inputs, attributes);
    inputs = {q, k, v, y, y + 1, heads("dy", n.B, n.T, n.H, n.D)};
    if (segments != 0) inputs.push_back(segments);
    const Value dq = graph.emit(Op::attention_backward, inputs, attributes);
    const char* names[] = {"y", "lse", "dq", "dk", "dv"};
    const Value values[] = {y, y + 1, dq, dq + 1, dq + 2};
    for (int i = 0; i < 5; ++i) graph.output(names[i], values[i]);
  }

  Graph graph;
  Contents leaves;

 private:
  Value heads(const std::string& name, std::int64_t b, std::int64_t t, std::int64_t h, std::int64_t d) {
    constexpr std::int64_t kRows = 50;
    Contents::mapped_type table = cpu::testing::random_floats(random_, kRows * d, -1, 1);
    for (std::uint32_t& word : table) word &= 0xFFFF0000U;  // as bfloat16 has it
    leaves[name] = table;
    leaves[name + "/rows"] = cpu::testing::random_ints(random_, b * t * h, 0, kRows - 1);
    const Value rows = graph.leaf(graph::LeafKind::input, name + "/rows", DType::i32, {b, t, h});
    return graph.emit(Op::gather, {graph.leaf(graph::LeafKind::input, name, DType::f32, {kRows, d}), rows});
  }

  std::mt19937 random_{17};
};

}  // namespace caddie::cuda::testing
