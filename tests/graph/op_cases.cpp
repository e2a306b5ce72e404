#include "tests/graph/op_cases.hpp"

#include <algorithm>

namespace caddie::graph::testing {
namespace {

using List = std::vector<std::int64_t>;

Attributes number(const char* key, std::int64_t value) { return Attributes().set(key, value); }
Attributes real(const char* key, double value) { return Attributes().set(key, value); }

void add_sources(std::vector<OpCase>& cases) {
  cases.push_back({Op::constant, {}, Attributes().set("values", Numbers{1.5, -2, 3}).set("shape", List{3})});
  cases.push_back({Op::constant,
                   {},
                   Attributes().set("values", Numbers{7}).set("shape", List{2, 2}).set("dtype", std::int64_t{7})});
  cases.push_back({Op::iota, {}, Attributes().set("shape", List{2, 3}).set("axis", std::int64_t{-1})});
  cases.push_back({Op::random_uniform, {}, ints({{"shape", {5}}})});
  cases.push_back({Op::random_normal, {}, ints({{"shape", {2, 3}}})});
}

// Ranges and numbers keep away from kinks and poles.
void add_elementwise(std::vector<OpCase>& cases) {
  const Numbers uneven{-2.3, -1.2, -0.4, 0.3, 0.7, 2.6};
  for (const Op op : {Op::neg, Op::exp, Op::sin, Op::cos, Op::tanh, Op::sigmoid, Op::stop_gradient, Op::round_bf16}) {
    cases.push_back({.op = op, .shapes = {{2, 3}}, .low = -2, .high = 2});
    cases.push_back({.op = op, .shapes = {{}}, .low = -2, .high = 2});
  }
  for (const Op op : {Op::abs, Op::sign, Op::floor, Op::round})
    cases.push_back({.op = op, .shapes = {{2, 3}}, .given = {{0, uneven}}});
  for (const Op op : {Op::log, Op::sqrt, Op::rsqrt, Op::recip})
    cases.push_back({.op = op, .shapes = {{2, 3}}, .low = 0.5, .high = 2});
  cases.push_back({.op = Op::cast, .shapes = {{3}}, .attributes = number("dtype", 1)});
  cases.push_back({.op = Op::cast, .shapes = {{6}}, .attributes = number("dtype", 7), .given = {{0, uneven}}});
  cases.push_back(
      {.op = Op::cast, .shapes = {{2}}, .attributes = number("dtype", 1), .given = {{0, {-3, 5}}}, .i32 = {0}});
  const std::vector<std::vector<Shape>> pairs{{{2, 3}, {2, 3}}, {{2, 1, 3}, {4, 1}}, {{3}, {2, 3}}, {{2, 3}, {}},
                                              {{}, {}},         {{1, 1}, {3}}};
  for (const std::vector<Shape>& shapes : pairs) {
    for (const Op op : {Op::add, Op::sub, Op::mul, Op::max, Op::min, Op::lt, Op::le, Op::eq})
      cases.push_back({.op = op, .shapes = shapes});
    for (const Op op : {Op::div, Op::pow}) cases.push_back({.op = op, .shapes = shapes, .low = 0.5, .high = 2});
  }
  const std::map<std::size_t, Numbers> whole{{0, {5, -7, 12, 0, -1, 9}}, {1, {3, 2, 5}}};
  for (const Op op : {Op::add, Op::max, Op::bit_and, Op::bit_or, Op::bit_xor, Op::shift_left, Op::shift_right,
                      Op::int_div, Op::int_mod}) {
    cases.push_back({.op = op, .shapes = {{2, 3}, {3}}, .given = whole, .i32 = {0, 1}});
  }
  cases.push_back({.op = Op::where, .shapes = {{3}, {2, 3}, {2, 1}}, .given = {{0, {1, 0, 1}}}});
  cases.push_back({.op = Op::where, .shapes = {{2, 3}, {}, {3}}, .given = {{0, {1, 0, 1, 0, 0, 1}}}});
}

void add_reductions(std::vector<OpCase>& cases) {
  for (const Op op : {Op::reduce_sum, Op::reduce_max, Op::reduce_min}) {
    cases.push_back({op, {{2, 3, 4}}, ints({{"axes", {1}}})});
    cases.push_back({op, {{2, 3, 4}}, ints({{"axes", {-1, 0}}}).set("keep", std::int64_t{1})});
    cases.push_back({op, {{2, 3}}});
    cases.push_back({op, {{}}});
  }
  for (const std::int64_t reverse : {0, 1}) {
    cases.push_back({Op::cumsum, {{2, 3, 2}}, number("axis", 1).set("reverse", reverse)});
    cases.push_back({Op::cumsum, {{4}}, number("axis", -1).set("reverse", reverse)});
  }
}

void add_movement(std::vector<OpCase>& cases) {
  cases.push_back({Op::reshape, {{2, 6}}, ints({{"shape", {3, -1}}})});
  cases.push_back({Op::reshape, {{1}}, ints({{"shape", {}}})});
  cases.push_back({Op::transpose, {{2, 3, 4}}, ints({{"axes", {2, 0, 1}}})});
  cases.push_back({Op::transpose, {{2, 3}}, ints({{"axes", {-1, 0}}})});
  cases.push_back({Op::broadcast, {{3, 1}}, ints({{"shape", {2, 3, 4}}})});
  cases.push_back({Op::broadcast, {{}}, ints({{"shape", {2}}})});
  cases.push_back({Op::slice, {{3, 4}}, ints({{"starts", {1, 0}}, {"sizes", {2, 3}}})});
  cases.push_back({Op::pad, {{2, 3}}, ints({{"low", {1, 0}}, {"high", {0, 2}}}).set("value", 0.5)});
  cases.push_back({Op::concat, {{2, 1}, {2, 3}, {2, 2}}, number("axis", -1)});
  cases.push_back({Op::concat, {{2, 3}}, number("axis", 0)});
  cases.push_back({Op::reverse, {{2, 3, 2}}, ints({{"axes", {-1, 0}}})});
}

Attributes axes_of_dot(List batch_a, List batch_b, List contract_a, List contract_b) {
  return ints({{"batch_a", std::move(batch_a)}, {"batch_b", std::move(batch_b)},
               {"contract_a", std::move(contract_a)}, {"contract_b", std::move(contract_b)}});
}

void add_dots(std::vector<OpCase>& cases) {
  cases.push_back({Op::dot, {{3, 4}, {4, 2}}, axes_of_dot({}, {}, {1}, {0})});
  cases.push_back({Op::dot, {{3, 4}, {2, 4}}, axes_of_dot({}, {}, {-1}, {-1})});
  cases.push_back({Op::dot, {{3}, {2}}, axes_of_dot({}, {}, {}, {})});
  cases.push_back({Op::dot, {{2, 3}, {2, 3}}, axes_of_dot({}, {}, {0, 1}, {0, 1})});
  cases.push_back({Op::dot, {{2, 3, 4, 5}, {5, 3, 2, 4}}, axes_of_dot({1}, {1}, {3, 0}, {0, 2})});
  cases.push_back({Op::dot, {{2, 3, 4}, {4, 3, 2, 2}}, axes_of_dot({2, 1}, {0, 1}, {0}, {3})});
  cases.push_back({Op::dot, {{2, 3}, {3, 2}}, axes_of_dot({0, 1}, {1, 0}, {}, {})});
}

void add_index(std::vector<OpCase>& cases) {
  const Numbers rows{2, 0, 2, -1, 5, 1};  // some outside, one twice
  cases.push_back({.op = Op::gather, .shapes = {{3, 2}, {2, 3}}, .given = {{1, rows}}, .i32 = {1}});
  cases.push_back({.op = Op::gather, .shapes = {{3}, {}}, .given = {{1, {1}}}, .i32 = {1}});
  cases.push_back({.op = Op::scatter_add, .shapes = {{3, 2}, {2, 3}, {2, 3, 2}}, .given = {{1, rows}}, .i32 = {1}});
  cases.push_back({.op = Op::pick, .shapes = {{2, 3, 3}, {2, 3}}, .given = {{1, rows}}, .i32 = {1}});
  cases.push_back({.op = Op::pick, .shapes = {{4}, {}}, .given = {{1, {3}}}, .i32 = {1}});
  cases.push_back(
      {.op = Op::place, .shapes = {{2, 3}, {2, 3}}, .attributes = number("size", 4), .given = {{1, rows}}, .i32 = {1}});
}

Attributes attend(double scale, std::int64_t causal) { return real("scale", scale).set("causal", causal); }

void add_composites(std::vector<OpCase>& cases) {
  for (const Op op : {Op::softmax, Op::log_sum_exp, Op::rms_norm}) {
    cases.push_back({.op = op, .shapes = {{2, 3, 4}}, .low = -2, .high = 2});
    cases.push_back({.op = op, .shapes = {{5}}, .low = -2, .high = 2});
  }
  cases.push_back({Op::rms_norm, {{2, 3}}, real("eps", 0.3)});
  cases.push_back({.op = Op::layer_norm, .shapes = {{2, 3, 4}, {4}, {4}}, .low = -2, .high = 2});
  cases.push_back({.op = Op::layer_norm, .shapes = {{5}, {5}, {5}}, .low = -2, .high = 2});
  cases.push_back({Op::layer_norm, {{2, 3}, {3}, {3}}, real("eps", 0.3)});
  cases.push_back({Op::rope, {{2, 3, 2, 4}, {3, 2}, {3, 2}}});
  cases.push_back({Op::rope, {{1, 3, 2, 6}, {3, 2}, {3, 2}}});
  cases.push_back({Op::attention, {{2, 3, 4, 2}, {2, 3, 2, 2}, {2, 3, 2, 2}}, attend(0.7, 1)});
  cases.push_back({Op::attention, {{2, 2, 2, 3}, {2, 4, 1, 3}, {2, 4, 1, 3}}, attend(0.5, 0)});
  cases.push_back({Op::attention, {{1, 4, 2, 2}, {1, 3, 2, 2}, {1, 3, 2, 2}}, attend(1.1, 1)});
  cases.push_back({Op::attention, {{2, 2, 4, 2}, {2, 5, 2, 2}, {2, 5, 2, 2}}, attend(0.8, 2)});
  const Numbers segments{0, 0, 1, 1, 4, 4, 4, 2};
  for (const std::int64_t causal : {0, 1}) {
    cases.push_back({.op = Op::attention, .shapes = {{2, 4, 4, 2}, {2, 4, 2, 2}, {2, 4, 2, 2}, {2, 4}},
                     .attributes = attend(0.6, causal), .given = {{3, segments}}, .i32 = {3}});
  }
  cases.push_back({Op::linear, {{2, 3, 4}, {5, 4}}});
  cases.push_back({Op::linear, {{4}, {2, 4}}});
  const Numbers targets{1, 4, 0, 3, 9, 2};  // one outside
  cases.push_back({.op = Op::cross_entropy,
                   .shapes = {{2, 3, 5}, {2, 3}},
                   .low = -2,
                   .high = 2,
                   .given = {{1, targets}},
                   .i32 = {1}});
  cases.push_back(
      {.op = Op::cross_entropy, .shapes = {{5}, {}}, .low = -2, .high = 2, .given = {{1, {2}}}, .i32 = {1}});
  for (const double cap : {0.0, 1.5}) {
    cases.push_back({.op = Op::linear_cross_entropy,
                     .shapes = {{2, 3, 4}, {5, 4}, {2, 3}},
                     .attributes = real("cap", cap),
                     .low = -2,
                     .high = 2,
                     .given = {{2, targets}},
                     .i32 = {2}});
  }
}

// Gradients of composites, as operations of their own: their meaning is tested through the composites.
void add_backward(std::vector<OpCase>& cases) {
  cases.push_back({Op::rms_norm_backward, {{2, 3}, {2, 3}}});
  cases.push_back({Op::layer_norm_backward, {{2, 3, 4}, {4}, {2, 3, 4}}});
  cases.push_back({Op::layer_norm_backward, {{3}, {3}, {3}}});
  cases.push_back({Op::attention_backward,
                   {{2, 3, 4, 2}, {2, 3, 2, 2}, {2, 3, 2, 2}, {2, 3, 4, 2}, {2, 4, 3}, {2, 3, 4, 2}}, attend(0.7, 1)});
  cases.push_back({.op = Op::attention_backward,
                   .shapes = {{1, 3, 2, 2}, {1, 3, 2, 2}, {1, 3, 2, 2}, {1, 3, 2, 2}, {1, 2, 3}, {1, 3, 2, 2}, {1, 3}},
                   .attributes = attend(0.7, 1), .given = {{6, {0, 0, 1}}}, .i32 = {6}});
  cases.push_back({.op = Op::cross_entropy_backward,
                   .shapes = {{2, 5}, {2}, {2}, {2}, {2}, {2}, {2}},
                   .given = {{1, {3, 0}}},
                   .i32 = {1}});
  cases.push_back({.op = Op::linear_cross_entropy_backward, .shapes = {{2, 4}, {5, 4}, {2}, {2}, {2}, {2}, {2}, {2}},
                   .attributes = real("cap", 2), .given = {{2, {3, 0}}}, .i32 = {2}});
}

}  // namespace

std::string OpCase::title() const {
  std::string out(info(op).name);
  for (const Shape& shape : shapes) out += " " + shape.text();
  return out;
}

bool OpCase::is_i32(std::size_t input) const { return std::ranges::find(i32, input) != i32.end(); }

Value OpCase::build(Graph& graph) const {
  std::vector<Value> inputs;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    inputs.push_back(
        graph.leaf(LeafKind::parameter, "in" + std::to_string(i), is_i32(i) ? DType::i32 : DType::f32, shapes[i]));
  }
  return graph.emit(op, inputs, attributes);
}

Named OpCase::numbers(std::uint64_t seed) const {
  Named out;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const auto chosen = given.find(i);
    out["in" + std::to_string(i)] =
        chosen != given.end()
            ? chosen->second
            : random_numbers(static_cast<std::size_t>(shapes[i].elements()), seed + 31 * i, low, high);
  }
  return out;
}

const std::vector<OpCase>& op_cases() {
  static const std::vector<OpCase> all = [] {
    std::vector<OpCase> cases;
    for (const auto add : {add_sources, add_elementwise, add_reductions, add_movement, add_dots, add_index,
                           add_composites, add_backward}) {
      add(cases);
    }
    return cases;
  }();
  return all;
}

}  // namespace caddie::graph::testing
