#include "core/graph/custom.hpp"

#include <gmock/gmock.h>

#include "core/graph/gradient.hpp"
#include "core/graph/passes.hpp"
#include "tests/graph/custom_kernel.hpp"
#include "tests/graph/run.hpp"

namespace caddie::graph::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

struct Leaves {
  Value x = 0;
  Value w = 0;
};

Leaves leaves(Graph& graph) {
  return {graph.leaf(LeafKind::input, "x", DType::f32, {3, 2}), graph.leaf(LeafKind::parameter, "w", DType::f32, {2})};
}

const Named kNumbers = {{"x", {1, 2, 3, 4, 5, 6}}, {"w", {10, 100}}};

std::size_t count_custom(const Graph& graph) {
  std::size_t count = 0;
  for (const Node& node : graph.nodes()) count += node.op == Op::custom ? 1 : 0;
  return count;
}

TEST(Custom, its_reference_is_its_meaning) {
  Graph graph;
  const auto [x, w] = leaves(graph);
  graph.output("y", square_rows(graph, x, w, 2));
  EXPECT_THAT(graph.text(), HasSubstr("custom \"square-rows\"(%1, %2)"));
  const Named got = run(graph, kNumbers);
  EXPECT_EQ(got.at("y"), (Numbers{20, 800, 180, 3200, 500, 7200}));
}

TEST(Custom, passes_leave_it_alone_and_equal_ones_become_one) {
  Graph graph;
  const auto [x, w] = leaves(graph);
  const Emitter e{graph};
  graph.push_scope("block");
  const Value a = square_rows(graph, x, w, 2);
  const Value b = square_rows(graph, x, w, 2);
  const Value other = square_rows(graph, x, w, 3);
  (void)square_rows(graph, x, w, 5);  // nobody reads it
  graph.pop_scope();
  graph.output("y", e.add(e.add(a, b), other));
  const auto simple = simplify(graph);
  ASSERT_TRUE(simple.ok()) << simple.error().message();
  EXPECT_EQ(count_custom(*simple), 2u);
  EXPECT_TRUE(verify(*simple).ok());
  EXPECT_EQ(run(*simple, kNumbers).at("y"), run(graph, kNumbers).at("y"));
  for (const Node& node : simple->nodes()) {
    if (node.op != Op::custom) continue;
    EXPECT_EQ(simple->scope_name(node.scope), "block");
  }
}

TEST(Custom, constants_are_not_folded_through_it) {
  Graph graph;
  const Emitter e{graph};
  graph.output("y", square_rows(graph, e.filled({3, 2}, 2), e.filled({2}, 1)));
  const auto simple = simplify(graph);
  ASSERT_TRUE(simple.ok());
  EXPECT_EQ(count_custom(*simple), 1u);
  EXPECT_EQ(run(*simple, {}).at("y"), Numbers(6, 4));
}

TEST(Custom, decomposition_takes_it_apart_in_its_scope) {
  Graph graph;
  const auto [x, w] = leaves(graph);
  graph.push_scope("block");
  graph.output("y", square_rows(graph, x, w, 2));
  graph.pop_scope();
  const auto parts = decompose(graph);
  ASSERT_TRUE(parts.ok());
  EXPECT_EQ(count_custom(*parts), 0u);
  EXPECT_EQ(parts->scope_name(parts->nodes().back().scope), "block/square-rows");
}

TEST(Custom, its_gradient_is_the_one_it_gives) {
  Graph graph;
  const auto [x, w] = leaves(graph);
  const Value loss = Emitter{graph}.reduce(Op::reduce_sum, square_rows(graph, x, w, 2), {}, false);
  const std::vector<Value> wanted{x, w};
  const auto made = gradients(graph, loss, wanted);
  ASSERT_TRUE(made.ok()) << made.error().message();
  graph.output("dx", (*made)[0]);
  graph.output("dw", (*made)[1]);
  const Named got = run(graph, kNumbers);
  EXPECT_EQ(got.at("dx"), (Numbers{40, 800, 120, 1600, 200, 2400}));  // 2 * 2 x w
  EXPECT_EQ(got.at("dw"), (Numbers{70, 112}));                        // 2 sum x^2
}

TEST(Custom, a_gradient_through_a_refusal_is_an_error_that_names_it) {
  Graph graph;
  const auto [x, w] = leaves(graph);
  graph.push_scope("blocks.3.attn");
  const Value y = square_rows(graph, x, w, 1, Wrong::no_gradient);
  graph.pop_scope();
  const Value loss = Emitter{graph}.reduce(Op::reduce_sum, y, {}, false);
  const std::vector<Value> wanted{w};
  const auto made = gradients(graph, loss, wanted);
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().code, Code::unsupported);
  EXPECT_EQ(made.error().where, "blocks.3.attn");
  EXPECT_THAT(made.error().text, AllOf(HasSubstr("\"square-rows\""), HasSubstr("has no derivative")));
}

TEST(Custom, a_refusal_matters_only_where_a_gradient_passes) {
  Graph graph;
  const auto [x, w] = leaves(graph);
  const Emitter e{graph};
  const Value y = e.op(Op::stop_gradient, square_rows(graph, x, w, 1, Wrong::no_gradient));
  const Value loss = e.reduce(Op::reduce_sum, e.mul(y, w), {}, false);
  const std::vector<Value> wanted{w};
  const auto made = gradients(graph, loss, wanted);
  ASSERT_TRUE(made.ok()) << made.error().message();
  graph.output("dw", (*made)[0]);
  EXPECT_EQ(run(graph, kNumbers).at("dw"), (Numbers{350, 5600}));  // sum of x^2 w
}

std::string mistake(Wrong wrong) {
  Graph graph;
  const auto [x, w] = leaves(graph);
  graph.output("y", square_rows(graph, x, w, 1, wrong));
  const auto parts = decompose(graph);
  return parts.ok() ? "" : parts.error().message();
}

TEST(Custom, a_wrong_reference_is_named) {
  EXPECT_THAT(
      mistake(Wrong::reference_shape),
      HasSubstr(
          "square-rows: custom kernel \"square-rows\": output 0 of its reference is f32 [2], and must be f32 [3, 2]"));
  EXPECT_THAT(mistake(Wrong::reference_fails), HasSubstr("custom kernel \"square-rows\": not today"));
}

class OnlyForm final : public CustomKernel {
 public:
  using CustomKernel::CustomKernel;
  Result<void> compute(const CustomCall&) const override { return {}; }
  Result<std::vector<Value>> reference(Graph&, std::span<const Value>) const override { return std::vector<Value>{}; }
  [[nodiscard]] bool differentiable() const override { return false; }
  Result<std::vector<Value>> vjp(Graph&, const CustomVjp&) const override { return std::vector<Value>{}; }
};

std::string refusal(CustomForm form, std::size_t inputs = 1) {
  Graph graph;
  const std::vector<Value> given(inputs, graph.leaf(LeafKind::input, "x", DType::f32, {3}));
  EXPECT_EQ(graph.custom(std::make_shared<OnlyForm>(std::move(form)), given), 0u);
  return graph.status().ok() ? "" : graph.status().error().text;
}

TEST(Custom, forms_that_make_no_sense_are_refused) {
  const CustomOutput good{DType::f32, {3}};
  EXPECT_THAT(refusal({"", {good}}), HasSubstr("no name"));
  EXPECT_THAT(refusal({"k", {}}), HasSubstr("1 to 4 outputs"));
  EXPECT_THAT(refusal({"k", {good, good, good, good, good}}), HasSubstr("5 outputs"));
  EXPECT_THAT(refusal({"k", {good}}, 17), HasSubstr("17 inputs"));
  EXPECT_THAT(refusal({"k", {good}, 0}), HasSubstr("0 parts"));
  EXPECT_THAT(refusal({"k", {good}, 1, std::size_t{1} << 40}), HasSubstr("scratch"));
  EXPECT_THAT(refusal({"k", {{DType::f32, {0}}}}), HasSubstr("\"k\": an output"));
  EXPECT_THAT(refusal({"k", {{static_cast<DType>(3), {3}}}}), HasSubstr("unknown type 3"));
  Graph graph;
  const std::vector<Value> none{0};
  EXPECT_EQ(graph.custom(std::make_shared<OnlyForm>(CustomForm{"k", {good}}), none), 0u);
  EXPECT_THAT(graph.status().error().text, HasSubstr("input 0 is none"));
}

TEST(Custom, is_no_row_of_the_table) {
  EXPECT_EQ(find_op(static_cast<std::uint32_t>(Op::custom)), nullptr);
  Graph graph;
  EXPECT_EQ(graph.emit(Op::custom, {}), 0u);
  EXPECT_THAT(graph.status().error().text, HasSubstr("is unknown"));
}

}  // namespace
}  // namespace caddie::graph::testing
