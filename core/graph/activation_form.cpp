#include "core/graph/activation_form.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "core/graph/constants.hpp"
#include "core/graph/emitter.hpp"
#include "core/graph/passes.hpp"

namespace caddie::graph {
namespace {

constexpr std::size_t kLargestExpression = 16;  // operations
constexpr int kPoints = 49;                     // [-6, 6] by quarters
constexpr double kTolerance = 1e-6;

bool is_smooth(Op op) {
  switch (op) {
    case Op::neg:
    case Op::exp:
    case Op::tanh:
    case Op::recip:
    case Op::sigmoid:
    case Op::add:
    case Op::sub:
    case Op::mul:
    case Op::div:
    case Op::pow: return true;
    default: return false;
  }
}

double point(int i) { return -6 + 0.25 * i; }

double gelu(double x) { return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x))); }

// The smooth operations that lead to a value.
class Expression {
 public:
  Expression(const Graph& graph, const ValueViews& views, Value root) : graph_(graph), views_(views), root_(root) {
    gather(root);
  }

  // A value that the root is GELU of.
  [[nodiscard]] std::optional<Value> gelu_of() const {
    if (values_.size() > kLargestExpression || !curved_) return std::nullopt;
    for (const Value value : values_) {
      if (value != root_ && is_gelu_of(value)) return value;
    }
    return std::nullopt;
  }

 private:
  // The value a node reads element by element, or a constant; 0 for anything else.
  [[nodiscard]] Value operand(std::uint32_t node, std::size_t input) const {
    const View view = views_.operand(node, input);
    const bool usable = is_all_in_order(graph_, view) || uniform_constant(graph_, view.base);
    return usable && graph_.dtype(view.base) == DType::f32 ? view.base : 0;
  }

  void gather(Value value) {
    if (values_.size() > kLargestExpression || std::ranges::find(values_, value) != values_.end()) return;
    if (graph_.node_of(value).op == Op::constant) return;
    values_.push_back(value);
    const Node& node = graph_.node_of(value);
    if (!is_smooth(node.op)) return;
    curved_ = curved_ || node.op == Op::tanh || node.op == Op::sigmoid || node.op == Op::exp;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      if (const Value read = operand(graph_.info(value).node, i)) gather(read);
    }
  }

  // The value in a graph where `free` is a constant; 0 where it depends on something else too.
  Value emitted(const Emitter& e, std::map<Value, Value>& known, Value value) const {
    if (const auto found = known.find(value); found != known.end()) return found->second;
    if (const auto constant = uniform_constant(graph_, value)) return e.scalar(*constant);
    const Node& node = graph_.node_of(value);
    if (!is_smooth(node.op)) return 0;
    std::vector<Value> inputs;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const Value read = operand(graph_.info(value).node, i);
      inputs.push_back(read != 0 ? emitted(e, known, read) : 0);
      if (inputs.back() == 0) return 0;
    }
    return known[value] = e.graph.emit(node.op, inputs, node.attributes);
  }

  [[nodiscard]] bool is_gelu_of(Value free) const {
    std::vector<double> points;
    for (int i = 0; i < kPoints; ++i) points.push_back(point(i));
    Graph numbers;
    const Emitter e{numbers};
    std::map<Value, Value> known;
    known[free] =
        numbers.emit(Op::constant, {}, Attributes().set("values", std::move(points)).set("shape", Axes{kPoints}));
    const Value y = emitted(e, known, root_);
    if (y == 0 || numbers.shape(y).elements() != kPoints) return false;
    numbers.output("y", y);
    const auto folded = simplify(numbers);
    if (!folded) return false;
    const auto values = folded->node_of(folded->outputs()[0].value).attributes.reals("values");
    if (values.size() != kPoints) return false;
    for (int i = 0; i < kPoints; ++i) {
      const double difference = std::abs(values[static_cast<std::size_t>(i)] - gelu(point(i)));
      if (!(difference <= kTolerance * (1 + std::abs(point(i))))) return false;
    }
    return true;
  }

  const Graph& graph_;
  const ValueViews& views_;
  Value root_;
  std::vector<Value> values_;
  bool curved_ = false;
};

}  // namespace

std::optional<Activated> activation_of(const Graph& graph, const ValueViews& views, std::uint32_t node) {
  const Node& n = graph.nodes()[node];
  if (n.op == Op::max) {
    for (const std::size_t side : {0U, 1U}) {
      const View other = views.operand(node, side);
      const View zero = views.operand(node, 1 - side);
      if (uniform_constant(graph, zero.base) == 0.0 && is_all_in_order(graph, other))
        return Activated{Activation::relu, other.base};
    }
    return std::nullopt;
  }
  if (n.op != Op::mul && n.op != Op::div) return std::nullopt;
  const auto of = Expression(graph, views, n.first_output).gelu_of();
  return of ? std::optional(Activated{Activation::gelu, *of}) : std::nullopt;
}

}  // namespace caddie::graph
