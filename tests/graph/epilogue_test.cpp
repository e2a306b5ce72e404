// Epilogues that partition() finds are what the graph computes, and are found where they save something.
#include "core/graph/epilogue.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>

#include "core/graph/emitter.hpp"
#include "core/graph/fusion.hpp"
#include "core/graph/gradient.hpp"
#include "core/graph/passes.hpp"
#include "tests/graph/run.hpp"

namespace caddie::graph::testing {
namespace {

// An executor whose products take every epilogue.
Partition parted(const Graph& graph) {
  FusionRules rules;
  rules.reads_view = [](const Node&, std::size_t, const View& view) { return view.is_dense(); };
  rules.takes_epilogue = [](const Epilogue&) { return true; };
  return partition(graph, rules);
}

std::vector<Epilogue> epilogues(const Graph& graph) {
  std::vector<Epilogue> found;
  for (const Step& step : parted(graph).steps) {
    if (step.epilogue) found.push_back(*step.epilogue);
  }
  return found;
}

// alpha product + beta addend + bias, as operations.
Value sum_of(const Emitter& e, const Epilogue& epilogue) {
  const Value product = e.graph.nodes()[epilogue.product].first_output;
  const Shape shape = e.shape(product);
  Value x = e.scale(product, epilogue.alpha);
  if (epilogue.scale.base != 0) x = e.mul(x, e.reshape(epilogue.scale.base, {}));
  if (epilogue.addend.base != 0) x = e.add(x, e.scale(e.reshape(epilogue.addend.base, shape), epilogue.beta));
  if (epilogue.bias.base != 0) {
    const std::int64_t columns = joined_axes(epilogue.bias)[1].length;
    const Value flat = e.reshape(epilogue.bias.base, {e.shape(epilogue.bias.base).elements()});
    const Value row = e.slice(flat, {epilogue.bias.offset}, {columns});
    x = e.reshape(e.add(e.reshape(x, {shape.elements() / columns, columns}), row), shape);
  }
  return x;
}

Value activated(const Emitter& e, Activation activation, Value x, double leak = 0) {
  if (activation == Activation::relu) return e.op(Op::max, x, e.scalar(0));
  if (activation == Activation::squared_relu) {
    const Value bent = e.op(Op::max, x, e.scale(x, leak));
    return e.mul(bent, bent);
  }
  if (activation != Activation::gelu) return x;
  const Value inner = e.add(x, e.scale(e.mul(e.mul(x, x), x), 0.044715));
  return e.mul(x, e.op(Op::sigmoid, e.scale(inner, 2 * std::sqrt(2 / std::acos(-1.0)))));
}

// The derivative at x, as gradients() writes it.
Value slope(const Emitter& e, Activation activation, Value x, double leak) {
  const Value y = activated(e, activation, x, leak);
  const auto gradient = graph::gradients(e.graph, e.reduce(Op::reduce_sum, y, {}, false), std::vector<Value>{x});
  EXPECT_TRUE(gradient) << gradient.error().message();
  return gradient->front();
}

Value result_of(const Emitter& e, const Epilogue& epilogue, Value sum) {
  if (epilogue.slope_at.base == 0) return activated(e, epilogue.activation, sum, epilogue.leak);
  const Value at = e.reshape(epilogue.slope_at.base, e.shape(sum));
  return e.mul(sum, slope(e, epilogue.activation, at, epilogue.leak));
}

// Every epilogue's formula against the value it stands for, by the reference executor in float64.
void expect_equal(const Graph& graph) {
  Graph both = graph;
  const std::vector<Epilogue> found = epilogues(graph);
  both.drop_outputs_and_updates();
  const Emitter e{both};
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto add = [&](const std::string& name, Value wanted, Value got) {
      both.output(name + "/wanted" + std::to_string(i), wanted);
      both.output(name + "/got" + std::to_string(i), e.reshape(got, both.shape(wanted)));
    };
    const Value sum = sum_of(e, found[i]);
    add("result", found[i].result, result_of(e, found[i], sum));
    if (found[i].before != 0) add("before", found[i].before, sum);
  }
  ASSERT_TRUE(both.status()) << both.status().error().message();
  Named leaves;
  for (const Leaf& leaf : graph.leaves()) {
    leaves[leaf.name] = random_numbers(static_cast<std::size_t>(graph.shape(leaf.value).elements()), leaf.value);
  }
  const Named values = run(both, leaves);
  for (const auto& [name, numbers] : values) {
    const std::size_t at = name.find("/wanted");
    if (at == std::string::npos) continue;
    expect_near(values.at(name.substr(0, at) + "/got" + name.substr(at + 7)), numbers, 1e-9, name);
  }
}

// Steps read what stands in memory by then, and every value is written once.
void expect_in_order(const Graph& graph) {
  std::vector<bool> there(graph.value_count(), false);
  for (Value value = 1; value < graph.value_count(); ++value) {
    const Op op = graph.node_of(value).op;
    there[value] = op == Op::leaf || op == Op::constant;
  }
  const Partition made = parted(graph);
  for (const Step& step : made.steps) {
    for (const View& view : views_read(step)) {
      EXPECT_TRUE(there[view.base]) << "value " << view.base << "\n" << graph.text();
    }
    for (const Value value : step.writes) {
      EXPECT_FALSE(there[value]) << "value " << value << " twice\n" << graph.text();
      there[value] = true;
    }
  }
  for (const Output& output : graph.outputs()) EXPECT_TRUE(there[made.views[output.value].base]) << graph.text();
}

struct Epilogues : ::testing::Test {
  Graph graph;
  Emitter e{graph};
  Value x = leaf("x", {4, 6}), w = leaf("w", {5, 6}), other = leaf("other", {4, 5}), bias = leaf("bias", {5});
  Value product = graph.emit(Op::linear, {x, w});

  Value leaf(const char* name, const Shape& shape) { return graph.leaf(LeafKind::parameter, name, DType::f32, shape); }

  Value gelu(Value u) {
    const Value inner = e.add(u, e.scale(e.op(Op::pow, u, e.scalar(3)), 0.044715));
    return e.mul(e.scale(u, 0.5), e.add(e.scalar(1), e.op(Op::tanh, e.scale(inner, std::sqrt(2 / std::acos(-1.0))))));
  }

  // The one epilogue of a graph with this output; none: alpha is 0.
  Epilogue only(Value output) {
    graph.output("y", output);
    EXPECT_TRUE(graph.status()) << graph.status().error().message();
    expect_equal(graph);
    expect_in_order(graph);
    const auto found = epilogues(graph);
    EXPECT_LE(found.size(), 1U);
    if (found.empty()) return {.product = 0, .alpha = 0};
    return found.front();
  }
  bool none(Value output) { return only(output).alpha == 0; }

  void expect_activation_and_slope(const std::function<Value(Value)>& activate, Activation activation);
};

TEST_F(Epilogues, AFactor) { EXPECT_EQ(only(e.neg(e.scale(product, 3))).alpha, -3); }

TEST_F(Epilogues, ADivisor) { EXPECT_EQ(only(e.div(product, e.scalar(4))).alpha, 0.25); }

TEST_F(Epilogues, AFactorInMemory) {
  const Value rate = leaf("rate", {1});
  EXPECT_EQ(only(e.sub(other, e.mul(product, rate))).alpha, 0) << "the factor would have to be negated";
}

TEST_F(Epilogues, AFactorInMemoryAndASum) {
  const Value rate = leaf("rate", {});
  const Epilogue found = only(e.add(other, e.mul(rate, product)));
  EXPECT_EQ(found.scale.base, rate);
  EXPECT_EQ(found.addend.base, other);
}

TEST_F(Epilogues, ASum) {
  const Epilogue found = only(e.add(other, product));
  EXPECT_EQ(found.addend.base, other);
  EXPECT_EQ(found.beta, 1);
}

TEST_F(Epilogues, ASumWithItself) { EXPECT_EQ(only(e.add(product, product)).alpha, 2); }

TEST_F(Epilogues, ADifference) {
  const Epilogue found = only(e.sub(product, other));
  EXPECT_EQ(found.alpha, 1);
  EXPECT_EQ(found.beta, -1);
}

TEST_F(Epilogues, AWeightedSum) {
  const Epilogue found = only(e.sub(e.scale(other, 0.5), e.scale(product, 2)));
  EXPECT_EQ(found.alpha, -2);
  EXPECT_EQ(found.beta, 0.5);
  EXPECT_EQ(found.addend.base, other);
}

TEST_F(Epilogues, ABias) {
  const Epilogue found = only(e.add(product, bias));
  EXPECT_EQ(found.bias.base, bias);
  EXPECT_EQ(found.addend.base, 0U);
}

TEST_F(Epilogues, ABiasThatIsARowOfATable) {
  const Value table = leaf("table", {3, 5});
  const Epilogue found = only(e.add(e.scale(product, 2), e.slice(table, {1, 0}, {1, 5})));
  EXPECT_EQ(found.bias.base, table);
  EXPECT_EQ(found.bias.offset, 5);
  EXPECT_EQ(found.alpha, 2);
}

TEST_F(Epilogues, ABiasAndASumThroughReshapes) {
  const Value batched = e.reshape(product, {2, 2, 5});
  const Epilogue found = only(e.add(e.reshape(other, {2, 2, 5}), e.add(batched, bias)));
  EXPECT_EQ(found.bias.base, bias);
  EXPECT_EQ(found.addend.base, other);
}

TEST_F(Epilogues, Relu) {
  EXPECT_EQ(only(e.op(Op::max, e.add(product, bias), e.scalar(0))).activation, Activation::relu);
}

TEST_F(Epilogues, Gelu) {
  const Epilogue found = only(gelu(e.add(e.add(product, other), bias)));
  EXPECT_EQ(found.activation, Activation::gelu);
  EXPECT_EQ(found.before, 0U);
  EXPECT_EQ(found.bias.base, bias);
}

TEST_F(Epilogues, GeluWrittenDifferently) {
  const Value cube = e.mul(product, e.mul(product, product));
  const Value inner = e.add(e.scale(product, 1.5957691216), e.scale(cube, 0.0713548162726));
  EXPECT_EQ(only(e.div(product, e.add(e.scalar(1), e.exp(e.neg(inner))))).activation, Activation::gelu);
}

TEST_F(Epilogues, NearlyGeluIsNot) {
  const Value inner = e.add(product, e.scale(e.op(Op::pow, product, e.scalar(3)), 0.0447));
  const Value y = e.mul(e.scale(product, 0.5), e.add(e.scalar(1), e.op(Op::tanh, e.scale(inner, 0.7978845608))));
  EXPECT_TRUE(none(y));
}

// What flows past a norm is added by its gradient; the norm's other gradients are made by the same step.
TEST_F(Epilogues, ASumWithTheGradientOfANorm) {
  const Value of = leaf("of", {4, 5});
  const Value gradient = graph.emit(Op::rms_norm_backward, {of, product});
  const Epilogue found = only(e.add(gradient, other));
  EXPECT_EQ(graph.nodes()[found.product].op, Op::rms_norm_backward);
  EXPECT_EQ(found.addend.base, other);
}
TEST_F(Epilogues, ASumWithOneOfThreeGradientsOfANorm) {
  const Value first = graph.emit(Op::layer_norm_backward, {leaf("of", {4, 5}), bias, product});
  graph.output("d_weight", first + 1);
  graph.output("d_bias", first + 2);
  const Epilogue found = only(e.add(other, first));
  EXPECT_EQ(graph.nodes()[found.product].first_output, first);
  EXPECT_EQ(parted(graph).steps.size(), 2U);
}
TEST_F(Epilogues, NotWhereAnotherGradientOfTheNormIsReadBefore) {
  const Value first = graph.emit(Op::layer_norm_backward, {leaf("of", {4, 5}), bias, product});
  EXPECT_TRUE(none(e.add(first, e.broadcast(first + 1, {4, 5}))));
}

// Where the gradient needs it, what the activation is taken of is stored; the slope is taken there.
void Epilogues::expect_activation_and_slope(const std::function<Value(Value)>& activate, Activation activation) {
  const Value before = e.add(product, bias);
  const Value y = activate(before);
  const Value next = graph.emit(Op::linear, {y, leaf("v", {7, 5})});
  const Value loss = e.reduce(Op::reduce_sum, e.mul(next, leaf("t", {4, 7})), {}, false);
  const std::vector<Value> wanted{w, bias};
  const auto gradients = graph::gradients(graph, loss, wanted);
  ASSERT_TRUE(gradients);
  graph.output("loss", loss);
  for (const Value gradient : *gradients) graph.output("d" + std::to_string(gradient), gradient);
  const auto simple = simplify(graph);
  ASSERT_TRUE(simple);
  expect_equal(*simple);
  expect_in_order(*simple);
  const auto found = epilogues(*simple);
  const auto is_slope = [](const Epilogue& epilogue) { return epilogue.slope_at.base != 0; };
  ASSERT_EQ(std::ranges::count(found, activation, &Epilogue::activation), 2);
  const auto forward = std::ranges::find(found, activation, &Epilogue::activation);
  const auto backward = std::ranges::find_if(found, is_slope);
  ASSERT_NE(backward, found.end());
  EXPECT_FALSE(is_slope(*forward));
  EXPECT_NE(forward->before, 0U);
  EXPECT_EQ(backward->slope_at.base, forward->before);
  EXPECT_EQ(backward->leak, forward->leak);
}

TEST_F(Epilogues, GeluWithItsGradient) {
  expect_activation_and_slope([&](Value x) { return gelu(x); }, Activation::gelu);
}
TEST_F(Epilogues, SquaredReluWithItsGradient) {
  expect_activation_and_slope(
      [&](Value x) {
        const Value bent = e.op(Op::max, x, e.scalar(0));
        return e.mul(bent, bent);
      },
      Activation::squared_relu);
}
TEST_F(Epilogues, SquaredLeakyReluWithItsGradient) {
  expect_activation_and_slope(
      [&](Value x) {
        const Value bent = e.where(e.op(Op::lt, e.scalar(0), x), x, e.scale(x, 0.5));
        return e.op(Op::pow, bent, e.scalar(2));
      },
      Activation::squared_relu);
}

TEST_F(Epilogues, OtherPowersOfReluAreNone) {
  const Value bent = e.op(Op::max, product, e.scalar(0));
  EXPECT_TRUE(none(e.mul(e.mul(bent, bent), bent)));
}

// A gradient that something else reads as well has to be stored.
TEST_F(Epilogues, NoSlopeOfAGradientThatOthersRead) {
  graph.output("gradient", product);
  EXPECT_TRUE(none(e.mul(product, slope(e, Activation::squared_relu, other, 0.5))));
}
TEST_F(Epilogues, ASlopeAtWhatIsInMemory) {
  const Epilogue found = only(e.mul(e.scale(product, 2), slope(e, Activation::squared_relu, other, 0.5)));
  EXPECT_EQ(found.slope_at.base, other);
  EXPECT_EQ(found.leak, 0.5);
  EXPECT_EQ(found.alpha, 2);
}
TEST_F(Epilogues, NoSlopeAtWhatDependsOnTheGradient) {
  const Epilogue found = only(e.mul(product, slope(e, Activation::gelu, e.add(product, bias), 0)));
  EXPECT_EQ(found.slope_at.base, 0U);
}
TEST_F(Epilogues, NoSlopeAtWhatWouldHaveToBeStored) {
  EXPECT_TRUE(none(e.mul(product, slope(e, Activation::gelu, e.op(Op::sin, other), 0))));
}

// Each product adds what the one before it left.
TEST_F(Epilogues, AChainOfSums) {
  const Value second = graph.emit(Op::linear, {x, leaf("w2", {5, 6})});
  const Value third = graph.emit(Op::linear, {x, leaf("w3", {5, 6})});
  const Value sum = e.add(product, second);
  graph.output("y", e.add(sum, third));
  expect_equal(graph);
  expect_in_order(graph);
  const auto found = epilogues(graph);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].addend.base, product);
  EXPECT_EQ(found[1].addend.base, sum);
  EXPECT_EQ(parted(graph).steps.size(), 3U);
}

// ---- where nothing would be saved -----------------------------------------------------------------------------------

TEST_F(Epilogues, NotWhereTheProductIsReadElsewhere) {
  graph.output("product", product);
  EXPECT_TRUE(none(e.add(product, other)));
}

TEST_F(Epilogues, NotWhereTheResultStaysInAGroup) {
  EXPECT_TRUE(none(e.reduce(Op::reduce_sum, e.op(Op::sin, e.add(product, other)), {0}, false)));
}

TEST_F(Epilogues, NotWhereTheAddendWouldHaveToBeStored) { EXPECT_TRUE(none(e.add(product, e.op(Op::sin, other)))); }

TEST_F(Epilogues, NotWhereTheAddendStandsInAnotherOrder) {
  const Value turned = e.transpose(leaf("turned", {5, 4}), {1, 0});
  EXPECT_TRUE(none(e.add(product, turned)));
}

TEST_F(Epilogues, ABiasIsNotScaled) { EXPECT_TRUE(none(e.scale(e.add(product, bias), 2))); }

TEST_F(Epilogues, ReluIsNotTakenOfWhatOthersRead) {
  const Value before = e.add(product, bias);
  const Value y = e.op(Op::max, before, e.scalar(0));
  graph.output("before", before);
  const Epilogue found = only(y);
  EXPECT_EQ(found.activation, Activation::none);
  EXPECT_EQ(found.result, before);
}

// ---- random graphs --------------------------------------------------------------------------------------------------

Graph random_graph(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Graph graph;
  const Emitter e{graph};
  std::vector<Value> values;
  for (int i = 0; i < 3; ++i) {
    values.push_back(graph.leaf(LeafKind::state, "m" + std::to_string(i), DType::f32, {4, 4}));
  }
  const Value row = graph.leaf(LeafKind::input, "row", DType::f32, {4});
  const Value rate = graph.leaf(LeafKind::input, "rate", DType::f32, {});
  const auto pick = [&] { return values[values.size() - 1 - random() % std::min<std::size_t>(values.size(), 5)]; };
  for (int i = 0; i < 30; ++i) {
    switch (random() % 14) {
      case 0:
      case 1:
      case 2:
      case 3: values.push_back(e.dot(pick(), pick(), {}, {}, {1}, {0})); break;
      case 4:
      case 5: values.push_back(e.add(pick(), pick())); break;
      case 6: values.push_back(e.sub(pick(), pick())); break;
      case 7: values.push_back(e.scale(pick(), 0.7)); break;
      case 8: values.push_back(e.add(pick(), row)); break;
      case 9: values.push_back(e.mul(rate, pick())); break;
      case 10: values.push_back(activated(e, Activation::gelu, pick())); break;
      case 11: values.push_back(activated(e, Activation::squared_relu, pick(), 0.5)); break;
      case 12: {
        const Activation activation = random() % 2 == 0 ? Activation::gelu : Activation::squared_relu;
        values.push_back(e.mul(pick(), slope(e, activation, pick(), 0.5)));
        break;
      }
      default: values.push_back(e.op(Op::max, pick(), e.scalar(0))); break;
    }
  }
  for (int i = 0; i < 3; ++i) graph.output("y" + std::to_string(i), pick());
  graph.update(1, values.back());
  return graph;
}

TEST(EpiloguesOf, RandomGraphsAreWhatTheyCompute) {
  std::size_t found = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    const auto graph = simplify(random_graph(seed));
    ASSERT_TRUE(graph);
    expect_equal(*graph);
    expect_in_order(*graph);
    found += epilogues(*graph).size();
    if (::testing::Test::HasFailure()) return;
  }
  EXPECT_GT(found, 400U);
}

}  // namespace
}  // namespace caddie::graph::testing
