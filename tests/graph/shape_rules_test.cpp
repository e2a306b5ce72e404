// Every operation: the result's shape and type in good uses, and what is said of bad ones.
#include <gtest/gtest.h>

#include <set>

#include "core/graph/shape_rules.hpp"
#include "tests/graph/op_cases.hpp"

namespace caddie::graph::testing {
namespace {

using List = std::vector<std::int64_t>;

struct BadCase {
  Op op;
  std::vector<Shape> shapes;
  std::vector<std::size_t> i32;
  Attributes attributes;
  std::string says;
};

Attributes with(const char* key, std::int64_t value) { return Attributes().set(key, value); }
Attributes with(const char* key, double value) { return Attributes().set(key, value); }

std::vector<BadCase> bad_cases() {
  std::vector<BadCase> cases{
      {Op::constant, {}, {}, Attributes().set("values", Numbers{1, 2}).set("shape", List{3}), "2 values for shape [3]"},
      {Op::constant,
       {},
       {},
       Attributes().set("values", Numbers{0.5}).set("dtype", std::int64_t{7}),
       "no 32-bit whole number"},
      {Op::constant,
       {},
       {},
       Attributes().set("values", Numbers{1}).set("dtype", std::int64_t{3}),
       "dtype 3 is unknown"},
      {Op::iota, {}, {}, ints({{"shape", {2}}}).set("axis", std::int64_t{1}), "axis 1 is outside a value of 1 axes"},
      {Op::random_uniform, {}, {}, ints({{"shape", {2}}}).set("low", 2.0), "low 2 and high 1 are no interval"},
      {Op::random_normal, {}, {}, ints({{"shape", {2}}}).set("std", -1.0), "std is not negative"},
      {Op::cast, {{2}}, {}, with("dtype", std::int64_t{2}), "dtype 2 is unknown"},
      {Op::where, {{2}, {3}, {3}}, {}, {}, "mask [2] does not broadcast with a [3] and b [3]"},
      {Op::where, {{3}, {3}, {3}}, {2}, {}, "a [3] is f32 but b [3] is i32"},
      {Op::cumsum, {{2}}, {}, with("axis", std::int64_t{1}), "x [2]: axis 1"},
      {Op::reshape, {{2, 3}}, {}, ints({{"shape", {4, -1}}}), "x [2, 3] of 6 elements does not fit [4, -1]"},
      {Op::reshape, {{2, 3}}, {}, ints({{"shape", {-1, -1}}}), "does not fit"},
      {Op::reshape, {{2, 3}}, {}, ints({{"shape", {std::int64_t{1} << 62, 8}}}), "does not fit"},
      {Op::transpose, {{2, 3}}, {}, ints({{"axes", {0, 0}}}), "axes names axis 0 twice"},
      {Op::transpose, {{2, 3}}, {}, ints({{"axes", {1}}}), "every axis is named"},
      {Op::broadcast, {{2, 3}}, {}, ints({{"shape", {3, 3}}}), "x [2, 3] does not stretch to [3, 3]"},
      {Op::slice, {{4}}, {}, ints({{"starts", {2}}, {"sizes", {3}}}), "3 elements from 2 on do not fit axis 0"},
      {Op::slice, {{4}}, {}, ints({{"starts", {INT64_MAX}}, {"sizes", {INT64_MAX}}}), "do not fit axis 0"},
      {Op::pad, {{4}}, {}, ints({{"low", {-1}}, {"high", {0}}}), "counts are not negative"},
      {Op::pad, {{4}}, {0}, ints({{"low", {1}}, {"high", {0}}}).set("value", 0.5), "value 0.5 for i32"},
      {Op::concat,
       {{2, 3}, {3, 3}},
       {},
       with("axis", std::int64_t{1}),
       "x[1] [3, 3] does not fit x[0] [2, 3] along axis 1"},
      {Op::reverse, {{4}}, {}, ints({{"axes", {1}}}), "axes names axis 1"},
      {Op::dot,
       {{2, 3}, {4, 2}},
       {},
       ints({{"contract_a", {1}}, {"contract_b", {0}}}),
       "contracts axis 1 of a [2, 3] with axis 0 of b [4, 2], which have lengths 3 and 4"},
      {Op::dot, {{2, 3}, {2, 3}}, {}, ints({{"batch_a", {0}}, {"batch_b", {0, 1}}}), "1 axes of a but 2 of b"},
      {Op::dot,
       {{2, 3}, {2, 3}},
       {},
       ints({{"batch_a", {0}}, {"batch_b", {0}}, {"contract_a", {0}}, {"contract_b", {0}}}),
       "both batch and contracted"},
      {Op::gather, {{3, 2}, {2}}, {}, {}, "index [2] is f32, but i32 is wanted"},
      {Op::gather, {{}, {2}}, {1}, {}, "table [] has no rows"},
      {Op::scatter_add, {{3, 2}, {4}, {4, 3}}, {1}, {}, "updates [4, 3] must be [4, 2]"},
      {Op::pick, {{3, 2}, {2}}, {1}, {}, "index [2] must be [3]"},
      {Op::place, {{3}, {2}}, {1}, with("size", std::int64_t{4}), "values [3] and index [2] must have the same shape"},
      {Op::place, {{3}, {3}}, {1}, with("size", std::int64_t{0}), "lengths are at least 1"},
      {Op::softmax, {{}}, {}, {}, "x [] is a scalar"},
      {Op::log_sum_exp, {{2}}, {0}, {}, "x [2] is i32, but f32 is wanted"},
      {Op::rms_norm, {{2}}, {}, with("eps", -1.0), "eps -1 is negative"},
      {Op::layer_norm, {{2, 3}, {3}, {2}}, {}, {}, "bias [2] must be [3]"},
      {Op::layer_norm, {{}, {1}, {1}}, {}, {}, "x [] is a scalar"},
      {Op::layer_norm, {{2}, {2}, {2}}, {}, with("eps", -1.0), "eps -1 is negative"},
      {Op::rope, {{1, 2, 1, 4}, {2, 3}, {2, 3}}, {}, {}, "2P at most D"},
      {Op::attention,
       {{1, 2, 3, 4}, {1, 2, 2, 4}, {1, 2, 2, 4}},
       {},
       with("scale", 1.0),
       "3 query heads, no multiple of the 2 key heads"},
      {Op::attention,
       {{1, 2, 2, 4}, {1, 3, 2, 4}, {1, 3, 2, 4}, {1, 2}},
       {3},
       with("scale", 1.0),
       "must have the same T"},
      {Op::linear, {{2, 3}, {4, 2}}, {}, {}, "x [2, 3] ends in 3 but w [4, 2] takes 2"},
      {Op::cross_entropy, {{2, 3}, {3}}, {1}, {}, "targets [3] must be [2]"},
      {Op::linear_cross_entropy, {{2, 3}, {4, 3}, {2}}, {2}, with("cap", -1.0), "cap -1 is not a limit"},
      {Op::rms_norm_backward, {{2, 3}, {2}}, {}, {}, "x [2, 3] and dy [2] must have the same shape"},
      {Op::layer_norm_backward, {{2, 3}, {2, 3}, {2, 3}}, {}, {}, "weight [2, 3] must be [3]"},
      {Op::layer_norm_backward, {{2, 3}, {3}, {2}}, {}, {}, "x [2, 3] and dy [2] must have the same shape"},
      {Op::attention_backward,
       {{1, 2, 2, 4}, {1, 2, 2, 4}, {1, 2, 2, 4}, {1, 2, 2, 4}, {1, 2, 3}, {1, 2, 2, 4}},
       {},
       with("scale", 1.0),
       "lse [1, 2, 3] must be [1, 2, 2]"},
      {Op::cross_entropy_backward, {{2, 5}, {2}, {2}, {2}, {2}, {2}, {3}}, {1}, {}, "d_entropy [3] must be [2]"},
      {Op::linear_cross_entropy_backward,
       {{2, 4}, {5, 4}, {2}, {2}, {2}, {2}, {2}, {2}},
       {},
       {},
       "targets [2] is f32, but i32 is wanted"},
  };
  for (const Op op : {Op::exp, Op::log, Op::sin, Op::cos, Op::tanh, Op::sqrt, Op::rsqrt, Op::recip, Op::floor,
                      Op::round, Op::sigmoid, Op::round_bf16}) {
    cases.push_back({op, {{2}}, {0}, {}, "x [2] is i32, but f32 is wanted"});
  }
  for (const Op op : {Op::neg, Op::abs, Op::sign, Op::stop_gradient}) {
    cases.push_back({op, {{2}, {2}}, {}, {}, "takes 1 inputs but was given 2"});
  }
  for (const Op op : {Op::add, Op::sub, Op::mul, Op::div, Op::max, Op::min, Op::pow, Op::lt, Op::le, Op::eq}) {
    cases.push_back({op, {{2, 3}, {2, 4}}, {}, {}, "a [2, 3] and b [2, 4] do not broadcast"});
  }
  for (const Op op :
       {Op::bit_and, Op::bit_or, Op::bit_xor, Op::shift_left, Op::shift_right, Op::int_div, Op::int_mod}) {
    cases.push_back({op, {{2}, {2}}, {0}, {}, "b [2] is f32, but i32 is wanted"});
  }
  for (const Op op : {Op::reduce_sum, Op::reduce_max, Op::reduce_min}) {
    cases.push_back({op, {{2, 3}}, {}, ints({{"axes", {2}}}), "x [2, 3]: axes names axis 2"});
  }
  return cases;
}

TEST(ShapeRules, say_what_is_wrong) {
  std::set<Op> covered;
  for (const BadCase& bad : bad_cases()) {
    covered.insert(bad.op);
    Graph graph;
    graph.push_scope("here");
    const OpCase use{.op = bad.op, .shapes = bad.shapes, .attributes = bad.attributes, .i32 = bad.i32};
    EXPECT_EQ(use.build(graph), 0U) << use.title();
    ASSERT_FALSE(graph.status().ok()) << use.title();
    const Error error = graph.status().error();
    EXPECT_EQ(error.where, "here");
    EXPECT_EQ(error.text.find(std::string(info(bad.op).name) + ": "), 0U) << error.text;
    EXPECT_NE(error.text.find(bad.says), std::string::npos) << error.text << "\nlacks: " << bad.says;
  }
  for (const OpInfo& row : all_ops()) EXPECT_TRUE(covered.contains(row.op)) << row.name << " has no bad case";
}

TEST(ShapeRules, exist_for_every_operation_and_give_its_outputs) {
  std::set<Op> covered;
  for (const OpCase& good : op_cases()) {
    Graph graph;
    const Value y = good.build(graph);
    ASSERT_TRUE(graph.status().ok()) << graph.status().error().message();
    EXPECT_EQ(graph.node_of(y).output_count, info(good.op).outputs.size()) << good.title();
    covered.insert(good.op);
  }
  for (const OpInfo& row : all_ops()) {
    EXPECT_NE(shape_rule(row.op), nullptr) << row.name;
    EXPECT_TRUE(covered.contains(row.op)) << row.name << " has no good case";
  }
}

struct Expected {
  Op op;
  std::vector<Shape> shapes;
  std::vector<std::size_t> i32;
  Attributes attributes;
  std::vector<Shape> outputs;
  DType dtype = DType::f32;
};

TEST(ShapeRules, give_these_shapes) {
  const Attributes heads = with("scale", 1.0);
  const std::vector<Expected> table{
      {Op::iota,
       {},
       {},
       ints({{"shape", {2, 3}}}).set("axis", std::int64_t{0}).set("dtype", std::int64_t{7}),
       {{2, 3}},
       DType::i32},
      {Op::add, {{2, 1, 3}, {4, 1}}, {}, {}, {{2, 4, 3}}},
      {Op::add, {{3}, {2, 1}}, {0, 1}, {}, {{2, 3}}, DType::i32},
      {Op::lt, {{3}, {}}, {0, 1}, {}, {{3}}, DType::f32},
      {Op::where, {{4, 1}, {3}, {}}, {}, {}, {{4, 3}}},
      {Op::reduce_sum, {{2, 3, 4}}, {}, ints({{"axes", {0, -1}}}), {{3}}},
      {Op::reduce_sum, {{2, 3, 4}}, {}, ints({{"axes", {0, -1}}}).set("keep", std::int64_t{1}), {{1, 3, 1}}},
      {Op::reduce_max, {{2, 3}}, {0}, {}, {{}}, DType::i32},
      {Op::transpose, {{2, 3, 4}}, {}, ints({{"axes", {2, 0, 1}}}), {{4, 2, 3}}},
      {Op::pad, {{2, 3}}, {}, ints({{"low", {1, 0}}, {"high", {0, 4}}}), {{3, 7}}},
      {Op::concat, {{2, 1}, {2, 5}}, {}, with("axis", std::int64_t{-1}), {{2, 6}}},
      {Op::dot,
       {{5, 2, 3}, {3, 5, 7, 6}},
       {},
       ints({{"batch_a", {0}}, {"batch_b", {1}}, {"contract_a", {2}}, {"contract_b", {0}}}),
       {{5, 2, 7, 6}}},
      {Op::gather, {{9, 4, 5}, {2, 3}}, {1}, {}, {{2, 3, 4, 5}}},
      {Op::scatter_add, {{9, 4}, {2}, {2, 4}}, {1}, {}, {{9, 4}}},
      {Op::pick, {{2, 3, 9}, {2, 3}}, {1}, {}, {{2, 3}}},
      {Op::place, {{2, 3}, {2, 3}}, {1}, with("size", std::int64_t{9}), {{2, 3, 9}}},
      {Op::log_sum_exp, {{2, 9}}, {}, {}, {{2}}},
      {Op::attention, {{2, 5, 6, 4}, {2, 7, 3, 4}, {2, 7, 3, 4}}, {}, heads, {{2, 5, 6, 4}, {2, 6, 5}}},
      {Op::linear, {{2, 5, 4}, {3, 4}}, {}, {}, {{2, 5, 3}}},
      {Op::cross_entropy, {{2, 5, 9}, {2, 5}}, {1}, {}, {{2, 5}, {2, 5}, {2, 5}}},
      {Op::linear_cross_entropy, {{2, 5, 4}, {9, 4}, {2, 5}}, {2}, {}, {{2, 5}, {2, 5}, {2, 5}}},
      {Op::linear_cross_entropy_backward, {{2, 4}, {9, 4}, {2}, {2}, {2}, {2}, {2}, {2}}, {2}, {}, {{2, 4}, {9, 4}}},
  };
  for (const Expected& row : table) {
    const OpCase use{.op = row.op, .shapes = row.shapes, .attributes = row.attributes, .i32 = row.i32};
    Graph graph;
    const Value y = use.build(graph);
    ASSERT_TRUE(graph.status().ok()) << graph.status().error().message();
    ASSERT_EQ(graph.node_of(y).output_count, row.outputs.size());
    for (std::uint32_t i = 0; i < row.outputs.size(); ++i) {
      EXPECT_EQ(graph.shape(y + i), row.outputs[i]) << use.title() << " gives " << graph.shape(y + i).text();
      EXPECT_EQ(graph.dtype(y + i), row.dtype) << use.title();
    }
  }
}

}  // namespace
}  // namespace caddie::graph::testing
