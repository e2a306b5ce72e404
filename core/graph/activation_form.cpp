#include "core/graph/activation_form.hpp"

#include <algorithm>
#include <cmath>

#include "core/graph/constants.hpp"
#include "core/graph/pointwise_expression.hpp"

namespace caddie::graph {
namespace {

constexpr int kPoints = 49;  // [-6, 6] by quarters
constexpr double kTolerance = 1e-6;
constexpr std::size_t kNegative = 20;  // the point -1

double point(std::size_t i) { return -6 + 0.25 * static_cast<double>(i); }
// Of the gradient, where a slope's values are compared.
double gradient(std::size_t i) { return i % 3 == 0 ? 1 : i % 3 == 1 ? -2 : 0.5; }

Numbers all(double (*function)(std::size_t)) {
  Numbers values;
  for (std::size_t i = 0; i < kPoints; ++i) values.push_back(function(i));
  return values;
}

double gelu_tanh(double x) { return std::tanh(std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x)); }
double gelu(double x) { return 0.5 * x * (1 + gelu_tanh(x)); }
double gelu_slope(double x) {
  const double t = gelu_tanh(x);
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * std::sqrt(2 / std::acos(-1.0)) * (1 + 3 * 0.044715 * x * x);
}

template <class Function>
bool are(const Numbers& values, const Function& function) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!(std::abs(values[i] - function(point(i))) <= kTolerance * (1 + std::abs(point(i))))) return false;
  }
  return true;
}

bool is_leak(double leak) { return leak >= 0 && leak < 1; }  // not for a NaN

Activated known_by(const Numbers& values) {
  if (values.empty()) return {};
  if (are(values, gelu)) return {Activation::gelu};
  const double leak = std::sqrt(values[kNegative]);
  const auto squared_relu = [&](double x) { return x > 0 ? x * x : leak * leak * x * x; };
  if (is_leak(leak) && are(values, squared_relu)) return {Activation::squared_relu, leak};
  return {};
}

Activated known_by_slope(const Numbers& values) {
  if (values.empty()) return {};
  if (are(values, gelu_slope)) return {Activation::gelu};
  const double leak = std::sqrt(values[kNegative] / -2);
  const auto squared_relu_slope = [&](double x) { return x > 0 ? 2 * x : 2 * leak * leak * x; };
  if (is_leak(leak) && are(values, squared_relu_slope)) return {Activation::squared_relu, leak};
  return {};
}

std::optional<Activated> relu_of(const Graph& graph, const ValueViews& views, std::uint32_t node) {
  for (const std::size_t side : {0U, 1U}) {
    const View other = views.operand(node, side);
    const View zero = views.operand(node, 1 - side);
    if (uniform_constant(graph, zero.base) == 0.0 && is_all_in_order(graph, other))
      return Activated{Activation::relu, 0, other.base};
  }
  return std::nullopt;
}

bool can_end_activation(Op op) { return op == Op::mul || op == Op::div || op == Op::pow; }
bool can_end_slope(Op op) { return op == Op::mul || op == Op::add || op == Op::sub || op == Op::where; }

}  // namespace

std::optional<Activated> activation_of(const Graph& graph, const ValueViews& views, std::uint32_t node) {
  const Node& n = graph.nodes()[node];
  if (n.op == Op::max) return relu_of(graph, views, node);
  if (!can_end_activation(n.op)) return std::nullopt;
  const PointwiseExpression expression(graph, views, n.first_output);
  if (!expression.is_curved()) return std::nullopt;
  for (const Value value : expression.values()) {
    if (value == n.first_output) continue;
    Activated found = known_by(expression.numbers({{value, all(point)}}));
    if (found.activation == Activation::none) continue;
    found.of = value;
    return found;
  }
  return std::nullopt;
}

std::optional<Sloped> slope_of(const Graph& graph, const ValueViews& views, std::uint32_t node,
                               const GradientTest& is_gradient) {
  const Node& n = graph.nodes()[node];
  if (!can_end_slope(n.op)) return std::nullopt;
  const PointwiseExpression expression(graph, views, n.first_output);
  if (!expression.is_curved()) return std::nullopt;
  for (const Value slope : expression.values()) {
    auto between = expression.between(slope);
    if (!between || !is_gradient(slope, *between)) continue;
    for (const Value at : expression.values()) {
      const bool needs_gradient = at == slope || std::ranges::find(*between, at) != between->end();
      if (needs_gradient || at == n.first_output || !expression.between(at)) continue;
      auto values = expression.numbers({{slope, all(gradient)}, {at, all(point)}});
      for (std::size_t i = 0; i < values.size(); ++i) values[i] /= gradient(i);
      const Activated found = known_by_slope(values);
      if (found.activation != Activation::none)
        return Sloped{found.activation, found.leak, slope, at, std::move(*between)};
    }
  }
  return std::nullopt;
}

}  // namespace caddie::graph
