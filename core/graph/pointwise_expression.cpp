#include "core/graph/pointwise_expression.hpp"

#include <algorithm>

#include "core/graph/constants.hpp"
#include "core/graph/emitter.hpp"

namespace caddie::graph {
namespace {

constexpr std::size_t kMostValues = 32;

bool is_pointwise(Op op) {
  switch (op) {
    case Op::neg:
    case Op::abs:
    case Op::exp:
    case Op::tanh:
    case Op::recip:
    case Op::sigmoid:
    case Op::add:
    case Op::sub:
    case Op::mul:
    case Op::div:
    case Op::pow:
    case Op::max:
    case Op::min:
    case Op::lt:
    case Op::le:
    case Op::where: return true;
    default: return false;
  }
}

bool is_polynomial(Op op) { return op == Op::neg || op == Op::add || op == Op::sub || op == Op::mul; }

// The value in `numbers`, a graph of constants; 0 where it depends on what is not given.
class Folding {
 public:
  Folding(Graph& numbers, std::map<Value, Value> known) : e_{numbers}, known_(std::move(known)) {}

  template <class Operands>
  Value value(const Graph& graph, Value asked, const Operands& operands) {
    if (const auto found = known_.find(asked); found != known_.end()) return found->second;
    Value& made = known_[asked];  // 0 until it is made
    if (const auto constant = uniform_constant(graph, asked)) return made = e_.scalar(*constant);
    std::vector<Value> inputs;
    for (const Value operand : operands(asked)) {
      const Value input = operand != 0 ? value(graph, operand, operands) : 0;
      if (input == 0) return 0;
      inputs.push_back(input);
    }
    if (inputs.empty()) return 0;
    const Node& node = graph.node_of(asked);
    return known_[asked] = e_.graph.emit(node.op, inputs, node.attributes);
  }

 private:
  Emitter e_;
  std::map<Value, Value> known_;
};

}  // namespace

PointwiseExpression::PointwiseExpression(const Graph& graph, const ValueViews& views, Value root)
    : graph_(graph), views_(views), values_{root} {
  for (std::size_t i = 0; i < values_.size(); ++i) {
    reads_.push_back(read_by(values_[i]));
    for (const Value read : reads_[i]) {
      if (read == 0 || uniform_constant(graph_, read) || values_.size() == kMostValues) continue;
      if (std::ranges::find(values_, read) == values_.end()) values_.push_back(read);
    }
    curved_ = curved_ || (!reads_[i].empty() && !is_polynomial(graph_.node_of(values_[i]).op));
  }
  for (std::size_t i = 0; i < values_.size(); ++i) in_order_.push_back(i);
  std::ranges::sort(in_order_, {}, [&](std::size_t i) { return values_[i]; });
}

std::vector<Value> PointwiseExpression::read_by(Value value) const {
  const Node& node = graph_.node_of(value);
  std::vector<Value> read(is_pointwise(node.op) ? node.inputs.size() : 0);
  for (std::size_t input = 0; input < read.size(); ++input) {
    const View view = views_.operand(graph_.info(value).node, input);
    if (graph_.dtype(view.base) != DType::f32) continue;
    const bool usable = uniform_constant(graph_, view.base) ? !view.bounded : is_all_in_order(graph_, view);
    if (usable) read[input] = view.base;
  }
  return read;
}

std::optional<std::vector<Value>> PointwiseExpression::between(Value from) const {
  std::vector<Value> found;
  bool reached = false;
  for (const std::size_t i : in_order_) {
    const bool depends = std::ranges::any_of(reads_[i], [&](Value read) {
      return read == from || std::ranges::find(found, read) != found.end();
    });
    if (!depends) continue;
    if (i == 0) reached = true;
    else found.push_back(values_[i]);
  }
  return reached ? std::optional(found) : std::nullopt;
}

Numbers PointwiseExpression::numbers(const std::map<Value, Numbers>& given) const {
  Graph graph;
  std::map<Value, Value> known;
  for (const auto& [value, numbers] : given) {
    const Axes shape{static_cast<std::int64_t>(numbers.size())};
    known[value] = graph.emit(Op::constant, {}, Attributes().set("values", numbers).set("shape", shape));
  }
  const auto operands_of = [this](Value value) {
    const auto found = std::ranges::find(values_, value);
    return found != values_.end() ? reads_[static_cast<std::size_t>(found - values_.begin())] : read_by(value);
  };
  const Value root = Folding(graph, std::move(known)).value(graph_, values_.front(), operands_of);
  const std::size_t count = given.begin()->second.size();
  if (root == 0 || graph.shape(root).elements() != static_cast<std::int64_t>(count)) return {};
  graph.output("y", root);
  const auto outputs = computed_outputs(graph);
  return outputs.empty() ? Numbers() : outputs.front();
}

}  // namespace caddie::graph
