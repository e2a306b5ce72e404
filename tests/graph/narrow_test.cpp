// narrow() keeps every value that is read, and makes no more than that.
#include "core/graph/narrow.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "core/graph/box.hpp"
#include "core/graph/emitter.hpp"
#include "core/graph/passes.hpp"
#include "tests/graph/op_cases.hpp"

namespace caddie::graph::testing {
namespace {

Graph narrowed(const Graph& graph) {
  auto made = narrow(graph);
  EXPECT_TRUE(made.ok()) << made.error().message() << "\n" << graph.text();
  if (!made) return {};
  const auto good = verify(*made);
  EXPECT_TRUE(good.ok()) << good.error().message() << "\n" << made->text();
  return std::move(*made);
}

void expect_same_values(const Graph& before, const Graph& after, const Named& leaves, double tolerance) {
  const RunKey key{.seed = 3, .step = 4};
  const Named wanted = run(before, leaves, Precision::f64, key);
  const Named got = run(after, leaves, Precision::f64, key);
  ASSERT_EQ(wanted.size(), got.size());
  for (const auto& [name, numbers] : wanted) expect_near(got.at(name), numbers, tolerance, name);
}

std::int64_t elements(const Graph& graph, Op op) {
  std::int64_t sum = 0;
  for (const Node& node : graph.nodes()) {
    if (node.op == op) sum += graph.shape(node.first_output).elements();
  }
  return sum;
}

const Node* find(const Graph& graph, Op op) {
  const auto found = std::ranges::find(graph.nodes(), op, &Node::op);
  return found != graph.nodes().end() ? &*found : nullptr;
}

TEST(Narrow, keeps_every_slice_of_every_operation) {
  for (const OpCase& each : op_cases()) {
    SCOPED_TRACE(each.title());
    Graph probe;
    const Value first = each.build(probe);
    for (std::uint32_t output = 0; output < probe.node_of(first).output_count; ++output) {
      const Shape shape = probe.shape(first + output);
      for (int axis = 0; axis < shape.rank(); ++axis) {
        for (std::int64_t start = 0; start < shape[axis]; ++start) {
          for (std::int64_t size = 1; size <= shape[axis] - start; ++size) {
            Graph graph;
            const Value y = each.build(graph) + output;
            graph.output("y", Emitter{graph}.slice_axis(y, axis, start, size));
            expect_same_values(graph, narrowed(graph), each.numbers(2), 1e-13);
          }
        }
      }
    }
  }
}

TEST(Narrow, outputs_read_of_several_results_of_one_node) {
  for (const OpCase& each : op_cases()) {
    Graph graph;
    const Emitter e{graph};
    const Value first = each.build(graph);
    if (graph.node_of(first).output_count < 2) continue;
    SCOPED_TRACE(each.title());
    for (std::uint32_t i = 0; i < graph.node_of(first).output_count; ++i) {
      const Shape shape = graph.shape(first + i);
      const int axis = shape.rank() - 1;
      if (axis < 0) continue;
      graph.output("y" + std::to_string(i), e.slice_axis(first + i, axis, shape[axis] - 1, 1));
    }
    expect_same_values(graph, narrowed(graph), each.numbers(2), 1e-13);
  }
}

// Operations drawn at random, movements above all, and slices of what they make.
class RandomMoves {
 public:
  explicit RandomMoves(std::uint64_t seed) : generator_(seed) {
    values_.push_back(graph.leaf(LeafKind::parameter, "a", DType::f32, {2, 6, 4}));
    values_.push_back(graph.leaf(LeafKind::parameter, "b", DType::f32, {6, 4}));
    values_.push_back(graph.leaf(LeafKind::parameter, "c", DType::f32, {1, 6, 1}));
    for (int i = 0; i < 30; ++i) add();
    for (int i = 0; i < 3; ++i) graph.output("y" + std::to_string(i), sliced(pick()));
  }

  Graph graph;

 private:
  Value pick() { return values_[generator_() % values_.size()]; }
  std::int64_t below(std::int64_t end) { return static_cast<std::int64_t>(generator_() % static_cast<std::uint64_t>(end)); }

  Value sliced(Value x) {
    const Shape shape = graph.shape(x);
    Axes starts, sizes;
    for (const std::int64_t length : shape.lengths()) {
      starts.push_back(below(length));
      sizes.push_back(1 + below(length - starts.back()));
    }
    return e.slice(x, starts, sizes);
  }

  void add() {
    const Value x = pick();
    const Value other = pick();
    const Shape shape = graph.shape(x);
    const int axis = shape.rank() > 0 ? static_cast<int>(below(shape.rank())) : 0;
    Shape both;
    Axes order = first_axes(shape.rank());
    std::ranges::shuffle(order, generator_);
    Axes low(static_cast<std::size_t>(shape.rank()), 0), high = low;
    if (shape.rank() > 0) low[static_cast<std::size_t>(axis)] = below(3), high[static_cast<std::size_t>(axis)] = below(3);
    switch (shape.rank() == 0 ? 0 : generator_() % 14) {
      case 0: return keep(e.op(Op::tanh, x));
      case 1: return keep(broadcast_shapes(shape, graph.shape(other), both) ? e.add(x, other) : x);
      case 2: return keep(sliced(x));
      case 3: return keep(e.pad(x, low, high));
      case 4: return keep(e.concat({x, e.neg(x), x}, axis));
      case 5: return keep(e.transpose(x, order));
      case 6: return keep(e.reshape(x, {shape.elements()}));
      case 7: return keep(shape.elements() % 2 == 0 ? e.reshape(x, {2, shape.elements() / 2}) : x);
      case 8: return keep(shape.elements() % 8 == 0 ? e.reshape(x, {shape.elements() / 8, 4, 1, 2}) : x);
      case 9: return keep(graph.emit(Op::reverse, {x}, ints({{"axes", {axis}}})));
      case 10: return keep(graph.emit(Op::cumsum, {x}, Attributes().set("axis", std::int64_t{axis})
                                                          .set("reverse", below(2))));
      case 11: return keep(e.reduce(Op::reduce_max, x, {axis}, below(2) == 1));
      case 12: return keep(shape.rank() < 7 ? e.broadcast(e.reshape(x, shape), widened(shape)) : x);
      default: return keep(e.op(Op::softmax, x));
    }
  }

  static Shape widened(const Shape& shape) {
    Shape wide{2};
    for (const std::int64_t length : shape.lengths()) wide.append(length);
    return wide;
  }

  void keep(Value value) {
    if (graph.shape(value).elements() <= 3000) values_.push_back(value);
  }

  std::mt19937_64 generator_;
  Emitter e{graph};
  std::vector<Value> values_;
};

TEST(Narrow, keeps_the_values_of_random_graphs) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    const RandomMoves made(seed);
    ASSERT_TRUE(made.graph.status().ok()) << made.graph.status().error().message();
    const Named leaves{{"a", random_numbers(48, seed + 1)}, {"b", random_numbers(24, seed + 2)},
                       {"c", random_numbers(6, seed + 3)}};
    expect_same_values(made.graph, narrowed(made.graph), leaves, 1e-12);
    expect_same_values(made.graph, narrowed(*simplify(made.graph)), leaves, 1e-12);
  }
}

TEST(Narrow, goes_through_reshapes_that_keep_the_rows) {
  const Shape from{2, 6, 8};
  Box box = Box::whole({2, 6, 4, 2});
  box.set(1, 4, 2);
  const Box before = before_reshape(from, {2, 6, 4, 2}, box);
  EXPECT_EQ(before.starts, (Shape{0, 4, 0}));
  EXPECT_EQ(before.sizes, (Shape{2, 2, 8}));

  Box heads = Box::whole({2, 6, 4, 2});  // the last two heads are the second half of every row
  heads.set(2, 2, 2);
  EXPECT_EQ(before_reshape(from, {2, 6, 4, 2}, heads).starts, (Shape{0, 0, 4}));

  Box flat = Box::whole({96});  // not a box of three axes: grows to everything
  flat.set(0, 3, 7);
  EXPECT_EQ(before_reshape(from, {96}, flat), Box::whole(from));
  EXPECT_EQ(flat, Box::whole({96}));
}

// Two layers of attention and products, each token mixed with the one before it, and the scores of the last positions.
struct Layers {
  static constexpr std::int64_t B = 2, T = 12, H = 2, D = 4, V = 7, kScored = 3;
  Graph graph;
  Emitter e{graph};

  Layers() {
    const Value targets = graph.leaf(LeafKind::input, "targets", DType::i32, {B, T});
    Value x = graph.leaf(LeafKind::input, "x", DType::f32, {B, T, H * D});
    for (const std::string layer : {"0", "1"}) {
      const Value n = e.op(Op::rms_norm, x);
      const auto heads = [&](const char* name) {
        return e.reshape(linear(n, name + layer, H * D), {B, T, H, D});
      };
      const Value y = graph.emit(Op::attention, {heads("q"), heads("k"), heads("v")}, Attributes().set("scale", 0.5));
      x = e.add(x, linear(e.reshape(y, {B, T, H * D}), "o" + layer, H * D));
      x = e.add(x, linear(e.op(Op::tanh, linear(e.op(Op::rms_norm, x), "up" + layer, 16)), "down" + layer, H * D));
    }
    const Value before = e.slice(e.pad(x, {0, 1, 0}, {0, 0, 0}), {0, 0, 0}, {B, T, H * D});
    x = e.add(x, e.scale(before, 0.3));
    const Value nll = graph.emit(Op::cross_entropy, {linear(x, "head", V), targets});
    graph.output("nll", e.slice_axis(nll, 1, T - kScored, kScored));
  }
  Value linear(Value x, const std::string& name, std::int64_t out) {
    const std::int64_t in = e.shape(x)[e.shape(x).rank() - 1];
    return graph.emit(Op::linear, {x, graph.leaf(LeafKind::parameter, name, DType::f32, {out, in})});
  }
  [[nodiscard]] Named numbers() const {
    Named numbers;
    for (const Leaf& leaf : graph.leaves()) {
      numbers[leaf.name] = random_numbers(static_cast<std::size_t>(graph.shape(leaf.value).elements()), leaf.value);
    }
    for (double& target : numbers["targets"]) target = 3;
    return numbers;
  }
};

TEST(Narrow, scores_of_the_last_positions_need_the_last_layer_only_there) {
  const Layers layers;
  ASSERT_TRUE(layers.graph.status().ok()) << layers.graph.status().error().message();
  const Graph narrow_graph = narrowed(layers.graph);
  expect_same_values(layers.graph, narrow_graph, layers.numbers(), 1e-13);
  // The position before the scored ones too: its stream is mixed into the first of them.
  constexpr std::int64_t B = Layers::B, T = Layers::T, W = Layers::H * Layers::D, near = Layers::kScored + 1;
  const std::int64_t first = B * T * (3 * W + W + 16 + W);  // the first layer whole: q, k, v, o, up, down
  const std::int64_t last = B * T * 2 * W + B * near * (W + W + 16 + W);
  EXPECT_EQ(elements(narrow_graph, Op::linear), first + last + B * Layers::kScored * Layers::V);
  EXPECT_EQ(elements(narrow_graph, Op::attention), B * (T + near) * W);
  EXPECT_EQ(narrow_graph.shape(find(narrow_graph, Op::cross_entropy)->first_output), (Shape{B, Layers::kScored}));
}

TEST(Narrow, the_first_positions_of_causal_attention_need_no_later_keys) {
  Graph graph;
  const Emitter e{graph};
  const Value q = graph.leaf(LeafKind::input, "q", DType::f32, {1, 8, 2, 2});
  const Value k = graph.leaf(LeafKind::input, "k", DType::f32, {1, 8, 2, 2});
  const Value y = graph.emit(Op::attention, {q, e.op(Op::tanh, k), k}, Attributes().set("scale", 0.5));
  graph.output("y", e.slice_axis(y, 1, 2, 3));
  const Graph made = narrowed(graph);
  EXPECT_EQ(made.shape(find(made, Op::tanh)->first_output), (Shape{1, 5, 2, 2}));
  EXPECT_EQ(find(made, Op::attention)->attributes.integer("causal"), 2);
  expect_same_values(graph, made, {{"q", random_numbers(32, 1)}, {"k", random_numbers(32, 2)}}, 1e-13);
}

TEST(Narrow, random_numbers_stay_those_of_the_whole) {
  Graph graph;
  const Emitter e{graph};
  const Value noise = graph.emit(Op::random_normal, {}, ints({{"shape", {4, 5}}}));
  graph.output("y", e.slice(e.op(Op::tanh, noise), {2, 1}, {2, 3}));
  const Graph made = narrowed(graph);
  EXPECT_EQ(made.shape(find(made, Op::random_normal)->first_output), (Shape{4, 5}));
  EXPECT_EQ(made.shape(find(made, Op::tanh)->first_output), (Shape{2, 3}));
  expect_same_values(graph, made, {}, 0);
}

}  // namespace
}  // namespace caddie::graph::testing
