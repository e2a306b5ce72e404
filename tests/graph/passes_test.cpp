// Passes keep values and do what they say.
#include "core/graph/passes.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "core/graph/emitter.hpp"
#include "core/graph/gradient.hpp"
#include "core/graph/rebuild.hpp"
#include "tests/graph/op_cases.hpp"

namespace caddie::graph::testing {
namespace {

using Pass = Result<Graph> (*)(const Graph&);

Graph applied(Pass pass, const Graph& graph) {
  auto made = pass(graph);
  EXPECT_TRUE(made.ok()) << made.error().message();
  if (!made) return {};
  const auto good = verify(*made);
  EXPECT_TRUE(good.ok()) << good.error().message() << "\n" << made->text();
  return std::move(*made);
}

std::size_t count(const Graph& graph, Op op) {
  return static_cast<std::size_t>(std::ranges::count(graph.nodes(), op, &Node::op));
}

void expect_same_values(const Graph& before, const Graph& after, const Named& leaves, double tolerance) {
  const RunKey key{.seed = 3, .step = 4};
  const Named wanted = run(before, leaves, Precision::f64, key);
  const Named got = run(after, leaves, Precision::f64, key);
  ASSERT_EQ(wanted.size(), got.size());
  for (const auto& [name, numbers] : wanted) expect_near(got.at(name), numbers, tolerance, name);
}

// ---- random graphs --------------------------------------------------------------------------------------------------

// A graph of operations drawn at random over values of a few fitting shapes, with constants, repetitions and dead ends.
class RandomGraph {
 public:
  explicit RandomGraph(std::uint64_t seed) : generator_(seed) {
    values_.push_back(graph.leaf(LeafKind::parameter, "a", DType::f32, {2, 3}));
    values_.push_back(graph.leaf(LeafKind::parameter, "b", DType::f32, {3, 3}));
    values_.push_back(graph.leaf(LeafKind::parameter, "c", DType::f32, {1, 3}));
    values_.push_back(graph.leaf(LeafKind::state, "s", DType::f32, {2, 3}));
    for (int i = 0; i < 60; ++i) add();
    Value loss = e.scalar(0);
    for (int i = 0; i < 4; ++i) {
      const Value y = pick();
      graph.output("y" + std::to_string(i), y);
      loss = e.add(loss, e.reduce(Op::reduce_sum, e.op(Op::tanh, y), {}, false));
    }
    const std::vector<Value> wanted{1, 2, 3};
    const auto found = *gradients(graph, loss, wanted);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (found[i] != 0) graph.output("d" + std::to_string(i), found[i]);
    }
    graph.update(4, e.add(4, graph.emit(Op::random_uniform, {}, ints({{"shape", {2, 3}}}))));
  }

  Graph graph;

 private:
  Value pick() { return values_[generator_() % values_.size()]; }

  void add() {
    const Value x = pick();
    const Value other = pick();
    const Shape shape = graph.shape(x);
    Shape both;
    const bool fits = broadcast_shapes(shape, graph.shape(other), both);
    switch (generator_() % 17) {
      case 0: return keep(e.op(Op::tanh, x));
      case 1: return keep(e.neg(x));
      case 2: return keep(fits ? e.add(x, other) : x);
      case 3: return keep(fits ? e.mul(e.op(Op::sin, x), other) : x);
      case 4: return keep(e.add(x, e.scalar(0)));
      case 5: return keep(e.mul(e.scalar(1), x));
      case 6: return keep(e.scale(x, 0.5));
      case 7: return keep(shape.rank() == 2 ? e.transpose(x, {1, 0}) : x);
      case 8: return keep(e.reshape(x, {shape.elements()}));
      case 9: return keep(e.reduce(Op::reduce_sum, e.op(Op::sigmoid, x), {0}, true));
      case 10: return keep(e.mul(e.op(Op::cos, e.filled(shape, 0.7)), x));
      case 11: return keep(e.op(Op::softmax, x));
      case 12: return keep(e.where(e.op(Op::lt, x, e.scalar(0.1)), x, e.scale(x, 2)));
      case 13: return keep(e.slice_axis(x, 0, 0, shape[0]));
      case 14: return keep(e.op(Op::pow, e.op(Op::tanh, x), e.scalar(2)));
      case 15: return keep(e.concat({x}, 0));
      default: return keep(e.op(Op::rms_norm, x));
    }
  }

  void keep(Value value) { values_.push_back(value); }

  std::mt19937_64 generator_;
  Emitter e{graph};
  std::vector<Value> values_;
};

TEST(Passes, keep_the_values_of_random_graphs_and_their_gradients) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    const RandomGraph made(seed);
    ASSERT_TRUE(made.graph.status().ok()) << made.graph.status().error().message();
    const Named leaves{{"a", random_numbers(6, seed + 1)},
                       {"b", random_numbers(9, seed + 2)},
                       {"c", random_numbers(3, seed + 3)},
                       {"s", random_numbers(6, seed + 4)}};
    const Graph simple = applied(simplify, made.graph);
    EXPECT_LT(simple.nodes().size(), made.graph.nodes().size());
    expect_same_values(made.graph, simple, leaves, 1e-11);
    expect_same_values(made.graph, applied(simplify, applied(decompose, made.graph)), leaves, 1e-11);
    EXPECT_EQ(applied(simplify, simple).nodes().size(), applied(simplify, applied(simplify, simple)).nodes().size());
  }
}

TEST(Passes, keep_the_values_of_every_operation) {
  for (const OpCase& each : op_cases()) {
    SCOPED_TRACE(each.title());
    Graph graph;
    const Value first = each.build(graph);
    const std::uint32_t outputs = graph.node_of(first).output_count;
    for (std::uint32_t i = 0; i < outputs; ++i) graph.output("y" + std::to_string(i), first + i);
    for (const Pass pass : {Pass{decompose}, Pass{simplify}, Pass{fuse_linear_cross_entropy}}) {
      expect_same_values(graph, applied(pass, graph), each.numbers(2), 1e-13);
    }
  }
}

// An operation whose inputs are all constants is gone after simplify, and its value is the same.
TEST(Simplify, folds_every_operation_on_constants) {
  for (const OpCase& each : op_cases()) {
    if (each.shapes.empty() || each.op == Op::stop_gradient) continue;
    SCOPED_TRACE(each.title());
    const Named numbers = each.numbers(2);
    Graph graph;
    std::vector<Value> inputs;
    for (std::size_t i = 0; i < each.shapes.size(); ++i) {
      const auto type = static_cast<std::int64_t>(each.is_i32(i) ? DType::i32 : DType::f32);
      inputs.push_back(graph.emit(Op::constant, {}, Attributes().set("values", numbers.at("in" + std::to_string(i)))
                                                        .set("shape", to_axes(each.shapes[i])).set("dtype", type)));
    }
    const Value first = graph.emit(each.op, inputs, each.attributes);
    const std::uint32_t outputs = graph.node_of(first).output_count;
    for (std::uint32_t i = 0; i < outputs; ++i) graph.output("y" + std::to_string(i), first + i);
    const Graph simple = applied(simplify, graph);
    EXPECT_EQ(simple.nodes().size(), count(simple, Op::constant));
    expect_same_values(graph, simple, {}, 1e-14);
  }
}

// ---- simplify -------------------------------------------------------------------------------------------------------

struct Bench {
  Graph graph;
  Emitter e{graph};
  Value x = graph.leaf(LeafKind::parameter, "x", DType::f32, {2, 3});

  // What is left beside the leaf when y is the only output.
  std::size_t nodes_for(Value y) {
    graph.output("y", y);
    EXPECT_TRUE(graph.status().ok()) << graph.status().error().message();
    const Graph simple = applied(simplify, graph);
    expect_same_values(graph, simple, {{"x", random_numbers(6, 1, 0.5, 1.5)}}, 0);
    return simple.nodes().size() - simple.leaves().size();
  }
};

TEST(Simplify, identities_vanish) {
  const auto left = [](auto build) {
    Bench bench;
    return bench.nodes_for(build(bench.e, bench.x));
  };
  EXPECT_EQ(left([](Emitter& e, Value x) { return e.add(x, e.scalar(0)); }), 0U);
  EXPECT_EQ(left([](Emitter& e, Value x) { return e.add(e.filled({2, 1}, 0), x); }), 0U);
  EXPECT_EQ(left([](Emitter& e, Value x) { return e.sub(e.mul(x, e.scalar(1)), e.scalar(0)); }), 0U);
  EXPECT_EQ(left([](Emitter& e, Value x) { return e.div(x, e.sub(e.scalar(3), e.scalar(2))); }), 0U);
  EXPECT_EQ(left([](Emitter& e, Value x) { return e.op(Op::pow, x, e.scalar(1)); }), 0U);
  EXPECT_EQ(left([](Emitter& e, Value x) { return e.op(Op::pow, x, e.scalar(2)); }), 1U);
  EXPECT_EQ(left([](Emitter& e, Value x) { return e.neg(e.neg(x)); }), 0U);
  EXPECT_EQ(left([](Emitter& e, Value x) { return e.transpose(e.transpose(x, {1, 0}), {1, 0}); }), 0U);
  EXPECT_EQ(left([](Emitter& e, Value x) { return e.reshape(e.reshape(x, {6}), {3, 2}); }), 1U);
  EXPECT_EQ(left([](Emitter& e, Value x) { return e.reshape(e.reshape(x, {6}), {2, 3}); }), 0U);
  EXPECT_EQ(left([](Emitter& e, Value x) { return e.slice_axis(e.slice_axis(x, 1, 1, 2), 1, 1, 1); }), 1U);
  EXPECT_EQ(left([](Emitter& e, Value x) { return e.pad(e.concat({x}, 1), {0, 0}, {0, 0}); }), 0U);
  EXPECT_EQ(left([](Emitter& e, Value x) { return e.where(e.scalar(1), x, e.scalar(5)); }), 0U);
  EXPECT_EQ(left([](Emitter& e, Value x) { return e.mul(x, e.broadcast(e.scalar(2), {2, 3})); }), 2U);
  EXPECT_EQ(left([](Emitter& e, Value x) { return e.reduce(Op::reduce_sum, e.sum_last(x), {1}, false); }), 2U);
}

TEST(Simplify, keeps_what_changes_the_shape) {
  Bench bench;
  EXPECT_EQ(bench.nodes_for(bench.e.add(bench.x, bench.e.filled({4, 2, 3}, 0))), 2U);
}

TEST(Simplify, equal_nodes_become_one_and_dead_nodes_go) {
  Bench bench;
  Emitter& e = bench.e;
  e.exp(e.op(Op::sin, bench.x));  // reaches nothing
  const Value a = e.op(Op::tanh, e.transpose(bench.x, {1, 0}));
  const Value b = e.op(Op::tanh, e.transpose(bench.x, {-1, 0}));
  EXPECT_EQ(bench.nodes_for(e.mul(a, b)), 3U);
}

TEST(Simplify, random_nodes_stay_apart_unless_their_sites_are_equal) {
  Graph graph;
  const Emitter e{graph};
  const auto draw = [&] { return graph.emit(Op::random_uniform, {}, ints({{"shape", {4}}})); };
  const Value a = draw();
  const Value b = draw();
  const Graph copy = graph;
  const Value again = graph.emit_like(copy, copy.node_of(a), {});  // the same site as a
  graph.output("y", e.add(e.add(a, b), again));
  const Graph simple = applied(simplify, graph);
  EXPECT_EQ(count(simple, Op::random_uniform), 2U);
  expect_same_values(graph, simple, {}, 0);
}

TEST(Simplify, uniform_constants_stay_small_and_large_values_are_not_made) {
  Graph graph;
  const Emitter e{graph};
  graph.output("zeros", e.exp(e.filled({4096, 4096}, 0)));  // 2^24 elements, one number
  graph.output("mask", e.op(Op::le, e.iota({4096, 1}, 0), e.iota({1, 4096}, 1)));
  const Graph simple = applied(simplify, graph);
  const Node& zeros = simple.node_of(simple.outputs()[0].value);
  EXPECT_EQ(zeros.op, Op::constant);
  EXPECT_EQ(zeros.attributes.reals("values").size(), 1U);
  EXPECT_EQ(zeros.attributes.reals("values")[0], 1);
  EXPECT_EQ(count(simple, Op::le), 1U);
}

TEST(Simplify, before_or_after_gradients_stop_gradient_stays) {
  Bench bench;
  bench.graph.output("y", bench.e.mul(bench.x, bench.e.op(Op::stop_gradient, bench.x)));
  EXPECT_EQ(count(applied(simplify, bench.graph), Op::stop_gradient), 1U);
}

// ---- fusion of the loss head ----------------------------------------------------------------------------------------

struct Head {
  Graph graph;
  Emitter e{graph};
  Value x = graph.leaf(LeafKind::parameter, "x", DType::f32, {2, 3, 4});
  Value w = graph.leaf(LeafKind::parameter, "w", DType::f32, {5, 4});
  Value targets = graph.leaf(LeafKind::input, "targets", DType::i32, {2, 3});
  Value u = graph.emit(Op::linear, {x, w});
  double cap = 3;

  Value capped_by_division(Value u_) { return e.mul(e.op(Op::tanh, e.div(u_, e.scalar(cap))), e.scalar(cap)); }
  Value capped_by_product(Value u_) { return e.mul(e.scalar(cap), e.op(Op::tanh, e.mul(e.scalar(1 / cap), u_))); }

  void finish(Value logits, bool flat = false) {
    const Value index = flat ? e.reshape(targets, {6}) : targets;
    const Value nll = graph.emit(Op::cross_entropy, {logits, index});
    const Value loss =
        e.reduce(Op::reduce_sum, e.add(nll, e.mul(graph.output_of(nll, 1), graph.output_of(nll, 2))), {}, false);
    graph.output("nll", nll);
    graph.output("loss", loss);
  }
};

void expect_fused(Head& head, double cap) {
  const Graph fused = applied(fuse_linear_cross_entropy, head.graph);
  ASSERT_EQ(count(fused, Op::linear_cross_entropy), 1U) << fused.text();
  EXPECT_EQ(count(fused, Op::cross_entropy) + count(fused, Op::linear) + count(fused, Op::tanh), 0U);
  const auto node = std::ranges::find(fused.nodes(), Op::linear_cross_entropy, &Node::op);
  EXPECT_NEAR(node->attributes.real("cap"), cap, 1e-12);
  const Named leaves{
      {"x", random_numbers(24, 1, -2, 2)}, {"w", random_numbers(20, 2, -2, 2)}, {"targets", {0, 1, 4, 3, 2, 9}}};
  const auto with_gradients = [](Graph graph) {
    const Value loss = graph.outputs()[1].value;
    const auto found =
        *gradients(graph, loss, std::vector<Value>{graph.find_leaf("x")->value, graph.find_leaf("w")->value});
    graph.output("dx", found[0]);
    graph.output("dw", found[1]);
    return graph;
  };
  expect_same_values(with_gradients(head.graph), with_gradients(fused), leaves, 1e-12);
}

TEST(Fusion, takes_every_form_of_the_head) {
  {
    Head head;
    head.finish(head.u);
    expect_fused(head, 0);
  }
  {
    Head head;
    head.finish(head.capped_by_division(head.u));
    expect_fused(head, 3);
  }
  {
    Head head;
    head.finish(head.capped_by_product(head.u));
    expect_fused(head, 3);
  }
  {
    Head head;
    head.finish(head.e.reshape(head.capped_by_division(head.u), {6, 5}), true);
    expect_fused(head, 3);
  }
  {
    Head head;
    head.finish(head.capped_by_product(head.e.reshape(head.e.reshape(head.u, {3, 2, 5}), {6, 5})), true);
    expect_fused(head, 3);
  }
}

TEST(Fusion, leaves_other_heads_alone) {
  const auto left_alone = [](auto build) {
    Head head;
    build(head);
    const Graph fused = applied(fuse_linear_cross_entropy, head.graph);
    return count(fused, Op::linear_cross_entropy) == 0 && count(fused, Op::cross_entropy) == 1;
  };
  EXPECT_TRUE(left_alone([](Head& head) {  // the logits have another reader
    head.finish(head.u);
    head.graph.output("logits", head.u);
  }));
  EXPECT_TRUE(left_alone([](Head& head) {
    const Value logits = head.capped_by_division(head.u);
    head.finish(logits);
    head.graph.output("largest", head.e.reduce(Op::reduce_max, logits, {}, false));
  }));
  EXPECT_TRUE(left_alone([](Head& head) {  // another function
    head.finish(head.e.scale(head.e.op(Op::tanh, head.e.scale(head.u, 0.5)), 3));
  }));
  EXPECT_TRUE(
      left_alone([](Head& head) { head.finish(head.e.scale(head.e.op(Op::sin, head.e.scale(head.u, 1.0 / 3)), 3)); }));
  EXPECT_TRUE(left_alone([](Head& head) { head.finish(head.e.mul(head.u, head.e.filled({5}, 2))); }));
}

// ---- verify and scopes ----------------------------------------------------------------------------------------------

TEST(Passes, keep_scopes_and_sites) {
  Graph graph;
  graph.push_scope("blocks.0");
  const Value x = graph.leaf(LeafKind::parameter, "x", DType::f32, {2, 3});
  const Value noise = graph.emit(Op::random_normal, {}, ints({{"shape", {2, 3}}}));
  graph.push_scope("norm");
  graph.output("y", Emitter{graph}.add(graph.emit(Op::rms_norm, {x}), noise));
  graph.pop_scope();
  graph.pop_scope();
  for (const Pass pass : {Pass{decompose}, Pass{simplify}, Pass{fuse_linear_cross_entropy}}) {
    const Graph after = applied(pass, graph);
    const auto found = std::ranges::find(after.nodes(), Op::random_normal, &Node::op);
    ASSERT_NE(found, after.nodes().end());
    EXPECT_EQ(found->site, graph.node_of(noise).site);
    EXPECT_EQ(after.scope_name(found->scope), "blocks.0");
    EXPECT_EQ(after.scope_name(after.nodes().back().scope), "blocks.0/norm");
  }
}

TEST(Passes, hand_on_the_mistake_of_a_broken_graph) {
  Graph graph;
  graph.fail({Code::shape, "here", "broken"});
  for (const Pass pass : {Pass{decompose}, Pass{simplify}, Pass{fuse_linear_cross_entropy}}) {
    EXPECT_EQ(pass(graph).error().message(), "here: broken");
  }
  EXPECT_FALSE(verify(graph).ok());
}

TEST(Rebuild, notices_an_output_that_changed_its_shape) {
  Graph graph;
  const Value x = graph.leaf(LeafKind::parameter, "x", DType::f32, {2, 3});
  const Value y = graph.emit(Op::reduce_sum, {x});
  graph.output("y", y);
  Rebuild rebuild(graph);
  rebuild.map(y, rebuild.mapped(x));
  const auto finished = rebuild.finish();
  ASSERT_FALSE(finished.ok());
  EXPECT_EQ(finished.error().code, Code::internal);
  EXPECT_EQ(finished.error().where, "y");
}

}  // namespace
}  // namespace caddie::graph::testing
