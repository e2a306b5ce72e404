// The reference executor: values of primitives worked out by hand, binding, updates, precision.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/graph/emitter.hpp"
#include "core/graph/reference_ops.hpp"
#include "tests/graph/op_cases.hpp"

namespace caddie::graph::testing {
namespace {

using List = std::vector<std::int64_t>;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kMinI32 = std::numeric_limits<std::int32_t>::min();
constexpr double kMaxI32 = std::numeric_limits<std::int32_t>::max();

struct ValueCase {
  OpCase use;
  std::vector<Numbers> inputs;
  Numbers output;
};

OpCase use_of(Op op, std::vector<Shape> shapes, Attributes attributes = {}, std::vector<std::size_t> i32 = {}) {
  return {.op = op, .shapes = std::move(shapes), .attributes = std::move(attributes), .i32 = std::move(i32)};
}

Numbers output_of(const OpCase& use, const std::vector<Numbers>& inputs, Precision precision) {
  Graph graph;
  graph.output("y", use.build(graph));
  EXPECT_TRUE(graph.status().ok()) << graph.status().error().message();
  Named leaves;
  for (std::size_t i = 0; i < inputs.size(); ++i) leaves["in" + std::to_string(i)] = inputs[i];
  const Named results = run(graph, leaves, precision);
  const auto found = results.find("y");
  return found != results.end() ? found->second : Numbers();
}

void check(const std::vector<ValueCase>& cases) {
  for (const ValueCase& each : cases) {
    for (const Precision precision : {Precision::f32, Precision::f64}) {
      const Numbers got = output_of(each.use, each.inputs, precision);
      ASSERT_EQ(got.size(), each.output.size()) << each.use.title();
      for (std::size_t i = 0; i < got.size(); ++i) {
        if (std::isnan(each.output[i])) {
          EXPECT_TRUE(std::isnan(got[i])) << each.use.title() << " [" << i << "]";
        } else {
          const double tolerance = precision == Precision::f32 ? 3e-7 * std::max(1.0, std::abs(each.output[i])) : 1e-15;
          EXPECT_NEAR(got[i], each.output[i], tolerance) << each.use.title() << " [" << i << "]";
        }
      }
    }
  }
}

TEST(Reference, elementwise_values) {
  check({
      {use_of(Op::neg, {{2}}), {{1, -2}}, {-1, 2}},
      {use_of(Op::abs, {{2}}, {}, {0}), {{-5, 4}}, {5, 4}},
      {use_of(Op::abs, {{1}}, {}, {0}), {{kMinI32}}, {kMinI32}},  // wraps around
      {use_of(Op::sign, {{3}}), {{-0.5, 0, 7}}, {-1, 0, 1}},
      {use_of(Op::exp, {{2}}), {{0, 1}}, {1, 2.718281828459045}},
      {use_of(Op::log, {{2}}), {{1, 2.5}}, {0, 0.9162907318741551}},
      {use_of(Op::sin, {{1}}), {{0.5}}, {0.479425538604203}},
      {use_of(Op::cos, {{1}}), {{0.5}}, {0.8775825618903728}},
      {use_of(Op::tanh, {{2}}), {{0.5, 100}}, {0.46211715726000973, 1}},
      {use_of(Op::sqrt, {{1}}), {{6.25}}, {2.5}},
      {use_of(Op::rsqrt, {{1}}), {{16}}, {0.25}},
      {use_of(Op::recip, {{1}}), {{-8}}, {-0.125}},
      {use_of(Op::floor, {{3}}), {{1.75, -1.25, 2}}, {1, -2, 2}},
      {use_of(Op::round, {{5}}), {{0.5, 1.5, 2.5, -0.5, 1.25}}, {0, 2, 2, 0, 1}},
      {use_of(Op::sigmoid, {{3}}), {{0, 100, -1000}}, {0.5, 1, 0}},
      {use_of(Op::cast, {{5}}, Attributes().set("dtype", std::int64_t{7})),
       {{1.75, -1.75, 1e30, -1e30, kNan}},
       {1, -1, kMaxI32, kMinI32, 0}},
      {use_of(Op::cast, {{2}}, Attributes().set("dtype", std::int64_t{1}), {0}), {{3, -4}}, {3, -4}},
      {use_of(Op::round_bf16, {{4}}), {{1.00390625, 1.01171875, 3.1415927410125732, -0.0}}, {1, 1.015625, 3.140625, 0}},
      {use_of(Op::add, {{2, 1}, {2}}), {{1, 2}, {10, 20}}, {11, 21, 12, 22}},
      {use_of(Op::add, {{1}, {1}}, {}, {0, 1}), {{kMaxI32}, {1}}, {kMinI32}},
      {use_of(Op::sub, {{2}, {}}), {{1, 2}, {3}}, {-2, -1}},
      {use_of(Op::mul, {{1}, {1}}, {}, {0, 1}), {{36313}, {65536}}, {36313.0 * 65536 - 4294967296.0}},
      {use_of(Op::div, {{1}, {1}}), {{7}, {4}}, {1.75}},
      {use_of(Op::max, {{4}, {4}}), {{1, 5, kNan, 0}, {2, 3, 0, kNan}}, {2, 5, kNan, kNan}},
      {use_of(Op::min, {{2}, {2}}), {{1, 5}, {2, 3}}, {1, 3}},
      {use_of(Op::pow, {{2}, {2}}), {{2, 9}, {10, 0.5}}, {1024, 3}},
      {use_of(Op::lt, {{3}, {}}), {{1, 2, 3}, {2}}, {1, 0, 0}},
      {use_of(Op::le, {{3}, {}}, {}, {0, 1}), {{1, 2, 3}, {2}}, {1, 1, 0}},
      {use_of(Op::eq, {{3}, {}}), {{1, 2, 3}, {2}}, {0, 1, 0}},
      {use_of(Op::bit_and, {{1}, {1}}, {}, {0, 1}), {{12}, {10}}, {8}},
      {use_of(Op::bit_or, {{1}, {1}}, {}, {0, 1}), {{12}, {10}}, {14}},
      {use_of(Op::bit_xor, {{1}, {1}}, {}, {0, 1}), {{-1}, {10}}, {-11}},
      {use_of(Op::shift_left, {{2}, {2}}, {}, {0, 1}), {{3, 1}, {4, 31}}, {48, kMinI32}},
      {use_of(Op::shift_right, {{2}, {2}}, {}, {0, 1}), {{-16, 17}, {2, 1}}, {-4, 8}},
      {use_of(Op::int_div, {{5}, {5}}, {}, {0, 1}),
       {{7, -7, 7, 5, kMinI32}, {2, 2, -2, 0, -1}},
       {3, -4, -4, 0, kMinI32}},
      {use_of(Op::int_mod, {{5}, {5}}, {}, {0, 1}), {{7, -7, 7, 5, kMinI32}, {2, 2, -2, 0, -1}}, {1, 1, -1, 0, 0}},
      {use_of(Op::where, {{2}, {2}, {}}), {{0, -3}, {1, 2}, {9}}, {9, 2}},
      {use_of(Op::stop_gradient, {{1}}), {{4}}, {4}},
  });
}

TEST(Reference, reductions_movement_and_index_values) {
  const Numbers six{1, 2, 3, 4, 5, 6};  // [2, 3]
  const auto dot = [](List batch_a, List batch_b, List contract_a, List contract_b) {
    return ints({{"batch_a", batch_a}, {"batch_b", batch_b}, {"contract_a", contract_a}, {"contract_b", contract_b}});
  };
  check({
      {use_of(Op::iota, {}, ints({{"shape", {2, 3}}}).set("axis", std::int64_t{1})), {}, {0, 1, 2, 0, 1, 2}},
      {use_of(Op::constant, {}, Attributes().set("values", Numbers{2.5}).set("shape", List{2})), {}, {2.5, 2.5}},
      {use_of(Op::reduce_sum, {{2, 3}}, ints({{"axes", {0}}})), {six}, {5, 7, 9}},
      {use_of(Op::reduce_sum, {{2, 3}}), {six}, {21}},
      {use_of(Op::reduce_max, {{2, 3}}, ints({{"axes", {1}}})), {{1, 9, 3, -4, -5, -6}}, {9, -4}},
      {use_of(Op::reduce_max, {{3}}), {{1, kNan, 3}}, {kNan}},
      {use_of(Op::reduce_min, {{2, 3}}, ints({{"axes", {0}}}), {0}), {{1, 9, 3, -4, -5, 6}}, {-4, -5, 3}},
      {use_of(Op::cumsum, {{2, 3}}, Attributes().set("axis", std::int64_t{1})), {six}, {1, 3, 6, 4, 9, 15}},
      {use_of(Op::cumsum, {{2, 3}}, Attributes().set("axis", std::int64_t{0}).set("reverse", std::int64_t{1})),
       {six},
       {5, 7, 9, 4, 5, 6}},
      {use_of(Op::reshape, {{2, 3}}, ints({{"shape", {3, 2}}})), {six}, six},
      {use_of(Op::transpose, {{2, 3}}, ints({{"axes", {1, 0}}})), {six}, {1, 4, 2, 5, 3, 6}},
      {use_of(Op::broadcast, {{2, 1}}, ints({{"shape", {2, 2}}})), {{1, 2}}, {1, 1, 2, 2}},
      {use_of(Op::slice, {{2, 3}}, ints({{"starts", {0, 1}}, {"sizes", {2, 2}}})), {six}, {2, 3, 5, 6}},
      {use_of(Op::pad, {{1, 2}}, ints({{"low", {1, 0}}, {"high", {0, 1}}}).set("value", 9.0)),
       {{1, 2}},
       {9, 9, 9, 1, 2, 9}},
      {use_of(Op::concat, {{2, 1}, {2, 2}}, Attributes().set("axis", std::int64_t{1})),
       {{1, 2}, {3, 4, 5, 6}},
       {1, 3, 4, 2, 5, 6}},
      {use_of(Op::reverse, {{2, 3}}, ints({{"axes", {1}}})), {six}, {3, 2, 1, 6, 5, 4}},
      {use_of(Op::dot, {{2, 3}, {3, 2}}, dot({}, {}, {1}, {0})), {six, six}, {22, 28, 49, 64}},
      {use_of(Op::dot, {{2, 3}, {2, 3}}, dot({0}, {0}, {1}, {1})), {six, six}, {14, 77}},
      {use_of(Op::gather, {{3, 2}, {4}}, {}, {1}), {six, {2, 0, -1, 3}}, {5, 6, 1, 2, 0, 0, 0, 0}},
      {use_of(Op::scatter_add, {{2, 2}, {3}, {3, 2}}, {}, {1}), {{1, 1, 1, 1}, {1, 5, 1}, six}, {1, 1, 7, 9}},
      {use_of(Op::pick, {{2, 3}, {2}}, {}, {1}), {six, {2, 3}}, {3, 0}},
      {use_of(Op::place, {{2}, {2}}, Attributes().set("size", std::int64_t{3}), {1}),
       {{7, 8}, {1, -1}},
       {0, 7, 0, 0, 0, 0}},
  });
}

TEST(Reference, implements_every_primitive_and_only_those) {
  for (const OpInfo& row : all_ops()) {
    EXPECT_EQ(reference_kernel<float>(row.op) != nullptr, row.kind == OpKind::primitive) << row.name;
    EXPECT_EQ(reference_kernel<double>(row.op) != nullptr, row.kind == OpKind::primitive) << row.name;
  }
}

TEST(Reference, f32_and_f64_agree_on_every_case) {
  for (const OpCase& each : op_cases()) {
    Graph graph;
    const Value first = each.build(graph);
    const std::uint32_t count = graph.node_of(first).output_count;
    for (std::uint32_t i = 0; i < count; ++i) graph.output("y" + std::to_string(i), first + i);
    Named numbers = each.numbers(3);
    for (auto& [name, list] : numbers) {
      for (double& number : list) number = static_cast<double>(static_cast<float>(number));
    }
    const Named narrow = run(graph, numbers, Precision::f32);
    const Named wide = run(graph, numbers, Precision::f64);
    for (const Output& output : graph.outputs())
      expect_near(narrow.at(output.name), wide.at(output.name), 1e-5, each.title());
  }
}

// ---- updates and binding --------------------------------------------------------------------------------------------

TEST(Reference, updates_happen_after_every_read) {
  Graph graph;
  const Value a = graph.leaf(LeafKind::state, "a", DType::f32, {2});
  const Value b = graph.leaf(LeafKind::parameter, "b", DType::f32, {2});
  const Value c = graph.leaf(LeafKind::state, "c", DType::i32, {});
  const Emitter e{graph};
  graph.output("a_before", a);
  graph.output("sum", e.add(a, b));
  graph.update(a, b);  // a and b change places
  graph.update(b, a);
  graph.update(c, graph.emit(Op::add, {c, c}));
  const Named results = run(graph, {{"a", {1, 2}}, {"b", {30, 40}}, {"c", {21}}});
  EXPECT_EQ(results.at("a"), (Numbers{30, 40}));
  EXPECT_EQ(results.at("b"), (Numbers{1, 2}));
  EXPECT_EQ(results.at("c"), (Numbers{42}));
  EXPECT_EQ(results.at("a_before"), (Numbers{1, 2}));
  EXPECT_EQ(results.at("sum"), (Numbers{31, 42}));
}

class Binding : public ::testing::Test {
 protected:
  Binding() {
    const Value x = graph_.leaf(LeafKind::input, "x", DType::f32, {4});
    graph_.output("y", graph_.emit(Op::neg, {x}));
    program_ = std::move(*executor_->compile(graph_));
  }
  BufferPtr buffer(std::size_t bytes) { return *executor_->allocate(bytes); }

  Graph graph_;
  std::unique_ptr<Executor> executor_ = make_reference_executor({});
  std::unique_ptr<Program> program_;
};

TEST_F(Binding, refuses_what_does_not_fit) {
  EXPECT_EQ(program_->bind("z", {buffer(16), 0}).error().where, "z");
  EXPECT_FALSE(program_->bind("x", {buffer(12), 0}).ok());
  EXPECT_FALSE(program_->bind("x", {buffer(32), 20}).ok());
  EXPECT_FALSE(program_->bind("x", {buffer(32), std::numeric_limits<std::size_t>::max() - 3}).ok());
  EXPECT_FALSE(program_->bind("x", {buffer(32), 2}).ok());
  EXPECT_FALSE(program_->bind("x", {nullptr, 0}).ok());
  const auto unbound = program_->run({});
  ASSERT_FALSE(unbound.ok());
  EXPECT_EQ(unbound.error().code, Code::state);
  EXPECT_EQ(unbound.error().where, "x");
}

TEST_F(Binding, takes_parts_of_a_bank_and_leaves_untied_outputs_alone) {
  const BufferPtr bank = buffer(64);
  const std::array<float, 4> numbers{1, 2, 3, 4};
  ASSERT_TRUE(executor_->upload({bank, 16}, std::as_bytes(std::span(numbers))).ok());
  ASSERT_TRUE(program_->bind("x", {bank, 16}).ok());
  EXPECT_TRUE(program_->run({}).ok());
  ASSERT_TRUE(program_->bind("y", {bank, 32}).ok());
  EXPECT_TRUE(program_->run({}).ok());
  std::array<float, 4> back{};
  ASSERT_TRUE(executor_->download(std::as_writable_bytes(std::span(back)), {bank, 32}).ok());
  EXPECT_EQ(back, (std::array<float, 4>{-1, -2, -3, -4}));
  EXPECT_FALSE(executor_->download(std::as_writable_bytes(std::span(back)), {bank, 56}).ok());
  EXPECT_FALSE(executor_->upload({bank, 56}, std::as_bytes(std::span(numbers))).ok());
  EXPECT_EQ(program_->arena_bytes(), 16U);
}

TEST(Reference, tells_its_memory_and_refuses_bf16_and_broken_graphs) {
  Graph graph;
  Value x = graph.leaf(LeafKind::input, "x", DType::f32, {1000});
  for (int i = 0; i < 10; ++i) x = graph.emit(Op::neg, {x});
  graph.output("y", x);
  const auto executor = make_reference_executor({.precision = Precision::f64});
  EXPECT_EQ(executor->element_bytes(DType::f32), 8U);
  EXPECT_EQ(executor->element_bytes(DType::i32), 4U);
  EXPECT_EQ((*executor->compile(graph))->live_bytes(), 16000U);  // two at once
  EXPECT_EQ(make_reference_executor({.precision = Precision::bf16})->compile(graph).error().code, Code::unsupported);
  graph.fail({Code::shape, "here", "broken"});
  EXPECT_EQ(executor->compile(graph).error().message(), "here: broken");
}

}  // namespace
}  // namespace caddie::graph::testing
