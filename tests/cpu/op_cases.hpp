// Every operation of the table over several shapes, for tests of executors against the reference.
#pragma once

#include <functional>
#include <vector>

#include "tests/cpu/test_support.hpp"

namespace caddie::cpu::testing {

using graph::Attributes;
using graph::LeafKind;
using graph::Op;

// A graph of one operation, and what its leaves hold.
struct Case {
  Graph graph;
  Contents leaves;
  double tolerance = 1e-5;
  int next = 0;
  std::mt19937 random{7};

  Value real(const Shape& shape, float low = -2, float high = 2) {
    const std::string name = "x" + std::to_string(next++);
    leaves[name] = random_floats(random, shape.elements(), low, high);
    return graph.leaf(LeafKind::input, name, DType::f32, shape);
  }
  Value whole(const Shape& shape, std::int32_t low = -9, std::int32_t high = 9) {
    const std::string name = "x" + std::to_string(next++);
    leaves[name] = random_ints(random, shape.elements(), low, high);
    return graph.leaf(LeafKind::input, name, DType::i32, shape);
  }
  void emit(Op op, std::initializer_list<Value> inputs, Attributes attributes = {}) {
    const Value first = graph.emit(op, inputs, std::move(attributes));
    ASSERT_TRUE(graph.status()) << graph.status().error().message();
    const graph::Node node = graph.node_of(first);
    for (std::uint32_t i = 0; i < node.output_count; ++i) graph.output("y" + std::to_string(i), first + i);
  }
};

using Maker = std::function<void(Case&)>;

struct OpCases {
  Op op;
  std::vector<Maker> cases;
};

std::vector<OpCases> all_cases();

}  // namespace caddie::cpu::testing
