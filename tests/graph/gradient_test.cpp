// Every operation's derivative against finite differences in float64, case by case from the table.
#include "core/graph/gradient.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "core/graph/emitter.hpp"
#include "core/graph/passes.hpp"
#include "core/graph/vjp.hpp"
#include "tests/graph/op_cases.hpp"

namespace caddie::graph::testing {
namespace {

// sum over the chosen outputs of (output * fixed weights); 0 when no chosen output is f32.
Value weighted_loss(Graph& graph, Value first, const std::vector<std::uint32_t>& outputs) {
  const Emitter e{graph};
  Value loss = 0;
  for (const std::uint32_t output : outputs) {
    const Value y = graph.output_of(first, output);
    if (graph.dtype(y) != DType::f32) continue;
    const Numbers weights =
        random_numbers(static_cast<std::size_t>(graph.shape(y).elements()), 1000 + output, 0.5, 1.5);
    const Value w =
        graph.emit(Op::constant, {}, Attributes().set("values", weights).set("shape", to_axes(graph.shape(y))));
    const Value part = e.reduce(Op::reduce_sum, e.mul(y, w), {}, false);
    loss = loss == 0 ? part : e.add(loss, part);
  }
  return loss;
}

// d loss / d input by central differences of fourth order.
Numbers finite_differences(const Graph& graph, const Named& numbers, const std::string& input) {
  constexpr double h = 1e-3;
  Named moved = numbers;
  Numbers slopes(numbers.at(input).size());
  const auto loss_at = [&](std::size_t i, double offset) {
    moved[input][i] = numbers.at(input)[i] + offset;
    const double loss = run(graph, moved).at("loss")[0];
    moved[input][i] = numbers.at(input)[i];
    return loss;
  };
  for (std::size_t i = 0; i < slopes.size(); ++i) {
    slopes[i] = (8 * (loss_at(i, h) - loss_at(i, -h)) - (loss_at(i, 2 * h) - loss_at(i, -2 * h))) / (12 * h);
  }
  return slopes;
}

struct Differentiated {
  Graph graph;
  std::vector<std::string> with_gradient;  // inputs whose gradient is an output "d_<input>"
};

// The case with its loss and the gradients of all its f32 inputs as outputs.
Differentiated differentiate(const OpCase& op_case, const std::vector<std::uint32_t>& outputs) {
  Differentiated made;
  Graph& graph = made.graph;
  const Value loss = weighted_loss(graph, op_case.build(graph), outputs);
  EXPECT_TRUE(graph.status().ok()) << graph.status().error().message();
  if (loss == 0 || graph.failed()) return made;
  std::vector<Value> wanted;
  std::vector<std::string> names;
  for (const Leaf& leaf : graph.leaves()) {
    if (graph.dtype(leaf.value) != DType::f32) continue;
    wanted.push_back(leaf.value);
    names.push_back(leaf.name);
  }
  const auto found = gradients(graph, loss, wanted);
  EXPECT_TRUE(found.ok()) << found.error().message();
  if (!found) return made;
  graph.output("loss", loss);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if ((*found)[i] == 0) continue;
    EXPECT_EQ(graph.shape((*found)[i]), graph.shape(wanted[i]));
    graph.output("d_" + names[i], (*found)[i]);
    made.with_gradient.push_back(names[i]);
  }
  return made;
}

// The gradient is by declaration not the derivative, or the derivative of the reference is not smooth.
bool declared_otherwise(Op op) { return op == Op::stop_gradient || op == Op::round_bf16; }

void check_case(const OpCase& op_case, const std::vector<std::uint32_t>& outputs) {
  SCOPED_TRACE(op_case.title());
  const Differentiated made = differentiate(op_case, outputs);
  if (made.graph.outputs().empty()) return;
  const Named numbers = op_case.numbers(7);
  const Named results = run(made.graph, numbers);
  Graph loss_only;
  loss_only.output("loss", weighted_loss(loss_only, op_case.build(loss_only), outputs));
  for (std::size_t i = 0; i < op_case.shapes.size(); ++i) {
    const std::string name = "in" + std::to_string(i);
    const bool is_mask = op_case.op == Op::where && i == 0;
    if (op_case.is_i32(i) || is_mask) continue;
    const auto found = results.find("d_" + name);
    const Numbers gradient = found != results.end() ? found->second : Numbers(numbers.at(name).size(), 0);
    expect_near(gradient, finite_differences(loss_only, numbers, name), 1e-8, name);
  }
}

TEST(Gradient, every_operation_matches_finite_differences) {
  for (const OpCase& op_case : op_cases()) {
    if (declared_otherwise(op_case.op) || info(op_case.op).kind == OpKind::backward) continue;
    const auto outputs = static_cast<std::uint32_t>(info(op_case.op).outputs.size());
    if (op_case.op == Op::attention) {
      check_case(op_case, {0});
      continue;
    }
    std::vector<std::uint32_t> all;
    for (std::uint32_t output = 0; output < outputs; ++output) {
      check_case(op_case, {output});
      all.push_back(output);
    }
    if (outputs > 1) check_case(op_case, all);
  }
}

TEST(Gradient, every_operation_has_a_derivative_or_declares_it_zero) {
  for (const OpInfo& row : all_ops()) {
    const VjpRow::Kind kind = vjp_row(row.op).kind;
    EXPECT_NE(kind, VjpRow::Kind::missing) << row.name << " has neither a derivative nor a declared zero gradient";
    EXPECT_EQ(kind == VjpRow::Kind::refused, row.kind == OpKind::backward) << row.name;
  }
}

TEST(Gradient, every_operation_has_a_case_and_every_backward_operation_is_emitted) {
  std::set<Op> with_case;
  std::set<Op> emitted;
  for (const OpCase& op_case : op_cases()) {
    with_case.insert(op_case.op);
    if (info(op_case.op).kind == OpKind::backward) continue;
    const Differentiated made = differentiate(op_case, {0});
    for (const Node& node : made.graph.nodes()) emitted.insert(node.op);
  }
  for (const OpInfo& row : all_ops()) {
    EXPECT_TRUE(with_case.contains(row.op)) << row.name << " has no case in op_cases.cpp";
    EXPECT_TRUE(row.kind != OpKind::backward || emitted.contains(row.op)) << row.name;
  }
}

TEST(Gradient, the_text_of_the_table_agrees_with_declared_zeros) {
  for (const OpInfo& row : all_ops()) {
    const bool says_zero = row.text.find("zero gradient") != std::string_view::npos;
    EXPECT_TRUE(!says_zero || has_zero_gradient(row.op)) << row.name;
  }
}

TEST(Gradient, of_composites_equals_the_gradient_of_their_decomposition) {
  for (const OpCase& op_case : op_cases()) {
    if (info(op_case.op).kind != OpKind::composite) continue;
    SCOPED_TRACE(op_case.title());
    Graph plain;
    const Value loss = weighted_loss(plain, op_case.build(plain), {0});
    plain.output("loss", loss);
    auto parts = decompose(plain);
    ASSERT_TRUE(parts.ok()) << parts.error().message();
    std::vector<Value> wanted;
    for (const Leaf& leaf : parts->leaves()) {
      if (parts->dtype(leaf.value) == DType::f32) wanted.push_back(leaf.value);
    }
    const auto found = gradients(*parts, parts->outputs()[0].value, wanted);
    ASSERT_TRUE(found.ok()) << found.error().message();
    for (std::size_t i = 0; i < wanted.size(); ++i) parts->output("d_" + parts->leaf_of(wanted[i])->name, (*found)[i]);
    const Named numbers = op_case.numbers(11);
    const Differentiated made = differentiate(op_case, {0});
    const Named fused = run(made.graph, numbers);
    const Named apart = run(*parts, numbers);
    for (const std::string& name : made.with_gradient)
      expect_near(fused.at("d_" + name), apart.at("d_" + name), 1e-12, name);
  }
}

// ---- what is declared ----------------------------------------------------------------------------------------------

Graph unary_graph(Op op, std::vector<Value>& found) {
  Graph graph;
  const Value x = graph.leaf(LeafKind::parameter, "x", DType::f32, {3});
  const Value loss = graph.emit(Op::reduce_sum, {graph.emit(op, {x})});
  found = *gradients(graph, loss, std::vector<Value>{x});
  if (found[0] != 0) graph.output("dx", found[0]);
  return graph;
}

TEST(Gradient, stop_gradient_stops_and_bf16_rounding_passes) {
  std::vector<Value> found;
  (void)unary_graph(Op::stop_gradient, found);
  EXPECT_EQ(found[0], 0U);
  const Graph rounding = unary_graph(Op::round_bf16, found);
  expect_near(run(rounding, {{"x", {0.1, 0.2, 0.3}}}).at("dx"), {1, 1, 1}, 0, "identity");
}

TEST(Gradient, ties_go_to_the_first_operand_and_are_shared_in_reductions) {
  Graph graph;
  const Value a = graph.leaf(LeafKind::parameter, "a", DType::f32, {2});
  const Value b = graph.leaf(LeafKind::parameter, "b", DType::f32, {2});
  const Emitter e{graph};
  const Value best = e.reduce(Op::reduce_max, a, {0}, false);
  const Value loss = e.add(e.reduce(Op::reduce_sum, e.op(Op::max, a, b), {}, false), best);
  const auto found = *gradients(graph, loss, std::vector<Value>{a, b});
  graph.output("da", found[0]);
  graph.output("db", found[1]);
  const Named results = run(graph, {{"a", {2, 2}}, {"b", {2, 3}}});
  expect_near(results.at("da"), {1.5, 0.5}, 0, "da");
  expect_near(results.at("db"), {0, 1}, 0, "db");
}

TEST(Gradient, attention_passes_nothing_through_lse) {
  Graph graph;
  const Value q = graph.leaf(LeafKind::parameter, "q", DType::f32, {1, 2, 1, 2});
  const Value y = graph.emit(Op::attention, {q, q, q}, Attributes().set("scale", 1.0));
  const Value loss = graph.emit(Op::reduce_sum, {graph.output_of(y, 1)});
  EXPECT_EQ((*gradients(graph, loss, std::vector<Value>{q}))[0], 0U);
}

TEST(Gradient, is_none_without_a_path_and_builds_nothing_beside_it) {
  Graph graph;
  const Value x = graph.leaf(LeafKind::parameter, "x", DType::f32, {4});
  const Value unused = graph.leaf(LeafKind::parameter, "unused", DType::f32, {4});
  const Value data = graph.leaf(LeafKind::input, "data", DType::f32, {4});
  const Emitter e{graph};
  graph.push_scope("beside");
  Value side = data;
  for (int i = 0; i < 5; ++i) side = e.op(Op::sin, side);
  graph.pop_scope();
  graph.push_scope("main");
  const Value loss = e.reduce(Op::reduce_sum, e.mul(x, side), {}, false);
  graph.pop_scope();
  const std::size_t before = graph.nodes().size();
  const auto found = *gradients(graph, loss, std::vector<Value>{x, unused});
  EXPECT_NE(found[0], 0U);
  EXPECT_EQ(found[1], 0U);
  for (std::size_t i = before; i < graph.nodes().size(); ++i)
    EXPECT_EQ(graph.scope_name(graph.nodes()[i].scope), "main'");
  EXPECT_LE(graph.nodes().size() - before, 4U);
}

TEST(Gradient, of_a_value_used_twice_is_a_sum_and_of_the_loss_itself_one) {
  Graph graph;
  const Value x = graph.leaf(LeafKind::parameter, "x", DType::f32, {});
  const Emitter e{graph};
  const Value y = e.mul(x, x);
  const Value loss = e.add(e.mul(y, x), y);  // x^3 + x^2
  const auto found = *gradients(graph, loss, std::vector<Value>{x, y, loss});
  graph.output("dx", found[0]);
  graph.output("dy", found[1]);
  graph.output("dl", found[2]);
  const Named results = run(graph, {{"x", {3}}});
  EXPECT_DOUBLE_EQ(results.at("dx")[0], 33);
  EXPECT_DOUBLE_EQ(results.at("dy")[0], 4);
  EXPECT_DOUBLE_EQ(results.at("dl")[0], 1);
}

TEST(Gradient, refuses_what_it_cannot_do_in_words) {
  Graph graph;
  const Value x = graph.leaf(LeafKind::parameter, "x", DType::f32, {2, 3});
  const auto no_scalar = gradients(graph, x, std::vector<Value>{x});
  ASSERT_FALSE(no_scalar.ok());
  EXPECT_NE(no_scalar.error().text.find("[2, 3]"), std::string::npos);
  graph.push_scope("inner");
  const Value dx = graph.emit(Op::rms_norm_backward, {x, x});
  graph.pop_scope();
  const Value loss = graph.emit(Op::reduce_sum, {dx});
  const auto twice = gradients(graph, loss, std::vector<Value>{x});
  ASSERT_FALSE(twice.ok());
  EXPECT_EQ(twice.error().where, "inner");
  EXPECT_NE(twice.error().text.find("rms_norm_backward has no derivative"), std::string::npos);
}

}  // namespace
}  // namespace caddie::graph::testing
