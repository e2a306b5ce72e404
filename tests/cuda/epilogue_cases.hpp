// Graphs whose products have epilogues of every kind, for tests on the emulator and on GPUs.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/cuda/device.hpp"
#include "core/graph/emitter.hpp"
#include "tests/cuda/emulated.hpp"

namespace caddie::cuda::testing {

using graph::Activation;
using graph::Op;

// Products of [m, k] leaves with [n, k] leaves, and what graphs make of them.
struct EpilogueBench {
  Graph graph;
  graph::Emitter e{graph};
  std::int64_t m, n, k;
  int leaves = 0;

  EpilogueBench(std::int64_t rows, std::int64_t columns, std::int64_t depth) : m(rows), n(columns), k(depth) {}

  Value leaf(const Shape& shape) {
    return graph.leaf(graph::LeafKind::state, "leaf" + std::to_string(leaves++), DType::f32, shape);
  }
  Value product() { return graph.emit(Op::linear, {leaf({m, k}), leaf({n, k})}); }
  Value bias() { return leaf({n}); }
  Value gelu(Value x) {
    const Value inner = e.add(x, e.scale(e.mul(x, e.mul(x, x)), 0.044715));
    return e.mul(e.scale(x, 0.5), e.add(e.scalar(1), e.op(Op::tanh, e.scale(inner, 0.7978845608028654))));
  }
};

struct EpilogueCase {
  const char* name;
  std::function<void(EpilogueBench&)> make;
  std::function<bool(const Product&)> uses;  // one of the library's products, where sizes let it take them
  bool narrow = true;                        // at bf16 too
};

inline const std::vector<EpilogueCase>& epilogue_cases() {
  static const std::vector<EpilogueCase> all{
      {"factor", [](EpilogueBench& b) { b.graph.output("y", b.e.neg(b.e.scale(b.product(), 3))); },
       [](const Product& p) { return p.alpha == -3; }},
      {"factor in memory and sum",
       [](EpilogueBench& b) {
         const Value addend = b.product();
         b.graph.output("y", b.e.add(addend, b.e.mul(b.leaf({}), b.product())));
       },
       [](const Product& p) { return p.scaled && p.beta == 1; }},
      {"factor in memory alone", [](EpilogueBench& b) { b.graph.output("y", b.e.mul(b.leaf({1}), b.product())); },
       [](const Product& p) { return p.scaled && p.beta == 0; }},
      {"chain of sums",
       [](EpilogueBench& b) { b.graph.output("y", b.e.sub(b.e.add(b.product(), b.product()), b.product())); },
       [](const Product& p) { return p.alpha == -1 && p.beta == 1; }},
      {"sum that others read",
       [](EpilogueBench& b) {
         const Value first = b.product();
         const Value sum = b.e.add(first, b.product());
         b.graph.output("first", first);
         b.graph.output("y", sum);
         b.graph.output("z", b.graph.emit(Op::rms_norm, {sum}));
       },
       [](const Product& p) { return p.alpha == 1 && p.beta == 1; }},
      {"sum written over a leaf",
       [](EpilogueBench& b) {
         const Value kept = b.leaf({b.m, b.n});
         b.graph.update(kept, b.e.add(b.e.scale(kept, 0.9), b.product()));
       },
       [](const Product& p) { return p.beta == 0.9F; }},
      {"sum with a leaf", [](EpilogueBench& b) { b.graph.output("y", b.e.add(b.leaf({b.m, b.n}), b.product())); },
       [](const Product& p) { return p.beta == 1; }, false},
      {"bias", [](EpilogueBench& b) { b.graph.output("y", b.e.add(b.product(), b.bias())); },
       [](const Product& p) { return p.has_bias; }},
      {"bias and sum",
       [](EpilogueBench& b) {
         const Value stream = b.product();
         b.graph.output("stream", stream);
         b.graph.output("y", b.e.add(stream, b.e.add(b.product(), b.bias())));
       },
       [](const Product& p) { return p.has_bias && p.beta == 1; }},
      {"gelu", [](EpilogueBench& b) { b.graph.output("y", b.gelu(b.product())); },
       [](const Product& p) { return p.activation == Activation::gelu && !p.has_bias && !p.keeps; }},
      {"gelu of a bias, kept",
       [](EpilogueBench& b) {
         const Value before = b.e.add(b.product(), b.bias());
         b.graph.output("y", b.gelu(before));
         b.graph.output("before", before);
       },
       [](const Product& p) { return p.activation == Activation::gelu && p.has_bias && p.keeps; }},
      {"relu of a bias and a factor",
       [](EpilogueBench& b) {
         b.graph.output("y", b.e.op(Op::max, b.e.add(b.e.scale(b.product(), 2), b.bias()), b.e.scalar(0)));
       },
       [](const Product& p) { return p.activation == Activation::relu && p.has_bias && p.alpha == 2; }},
      {"bias from the middle of a table",
       [](EpilogueBench& b) {
         const Value row = b.e.slice(b.leaf({3, b.n + 1}), {1, 1}, {1, b.n});
         b.graph.output("y", b.gelu(b.e.add(b.product(), row)));
       },
       nullptr},
  };
  return all;
}

inline Contents random_leaves_of(const Graph& graph) {
  std::mt19937 random(7);
  Contents leaves;
  for (const graph::Leaf& leaf : graph.leaves()) {
    leaves[leaf.name] = cpu::testing::random_floats(random, graph.shape(leaf.value).elements(), -1, 1);
  }
  return leaves;
}

}  // namespace caddie::cuda::testing
