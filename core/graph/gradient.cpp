#include "core/graph/gradient.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/graph/vjp.hpp"

namespace caddie::graph {

VjpRow vjp_row(Op op) {
  for (const auto family : {elementwise_vjp, movement_vjp, tensor_vjp, composite_vjp}) {
    if (const VjpRow row = family(op); row.kind != VjpRow::Kind::missing) return row;
  }
  return {};
}

bool has_zero_gradient(Op op) { return vjp_row(op).kind == VjpRow::Kind::zero; }

bool gradient_flows(Op op, std::size_t input, std::uint32_t output) {
  if (op == Op::where) return input != 0;
  if (op == Op::attention) return output == 0;
  return !has_zero_gradient(op);
}

Value sum_to_shape(const Emitter& e, Value x, const Shape& shape) {
  const Shape from = e.shape(x);
  if (from == shape) return x;
  const int lead = from.rank() - shape.rank();
  Axes axes;
  for (int axis = 0; axis < from.rank(); ++axis) {
    if (axis < lead || (shape[axis - lead] == 1 && from[axis] != 1)) axes.push_back(axis);
  }
  const Value sum = axes.empty() ? x : e.reduce(Op::reduce_sum, x, std::move(axes), true);
  return lead == 0 ? sum : e.reshape(sum, shape);
}

Value VjpCall::adjoint_or_zeros(std::uint32_t output) const {
  return adjoints[output] != 0 ? adjoints[output] : e.filled(e.shape(out(output)), 0);
}

void VjpCall::give(std::size_t input, Value gradient) { gradients[input] = sum_to_shape(e, gradient, shape(input)); }

namespace {

class Differentiation {
 public:
  Differentiation(Graph& graph, Value loss, std::span<const Value> wanted)
      : graph_(graph), wanted_(wanted), end_(graph.info(loss).node + 1), loss_(loss) {}

  Result<std::vector<Value>> run();

 private:
  void mark_dependent();
  Result<void> differentiate(std::size_t number);
  void accumulate(Value value, Value gradient);

  Graph& graph_;
  std::span<const Value> wanted_;
  std::size_t end_;  // nodes from here on are not before the loss
  Value loss_;
  std::vector<bool> dependent_;  // by value: a gradient of it leads on to a wanted value
  std::vector<Value> adjoints_;  // by value
};

// Forwards: which values pass a gradient on to something wanted.
void Differentiation::mark_dependent() {
  dependent_.assign(graph_.value_count(), false);
  for (const Value value : wanted_) dependent_[value] = true;
  for (std::size_t i = 0; i < end_; ++i) {
    const Node& node = graph_.nodes()[i];
    for (std::uint32_t n = 0; n < node.output_count; ++n) {
      const Value output = node.first_output + n;
      if (dependent_[output] || graph_.dtype(output) != DType::f32) continue;
      for (std::size_t k = 0; k < node.inputs.size(); ++k) {
        if (dependent_[node.inputs[k]] && gradient_flows(node.op, k, n)) dependent_[output] = true;
      }
    }
  }
}

void Differentiation::accumulate(Value value, Value gradient) {
  Value& sum = adjoints_[value];
  sum = sum == 0 ? gradient : Emitter{graph_}.add(sum, gradient);
}

Result<void> Differentiation::differentiate(std::size_t number) {
  const Node& here = graph_.nodes()[number];
  bool reached = false;
  for (std::uint32_t n = 0; n < here.output_count; ++n) reached = reached || adjoints_[here.first_output + n] != 0;
  if (!reached || here.op == Op::leaf) return {};
  VjpCall call{.e = {graph_},
               .node = here,
               .adjoints = {},
               .wanted = {},
               .gradients = std::vector<Value>(here.inputs.size(), 0)};
  for (std::uint32_t n = 0; n < here.output_count; ++n) {
    // An output no gradient flows through keeps its adjoint for itself.
    bool flows = false;
    for (std::size_t k = 0; k < here.inputs.size(); ++k) flows = flows || gradient_flows(here.op, k, n);
    call.adjoints.push_back(flows ? adjoints_[here.first_output + n] : 0);
  }
  bool useful = false;
  for (std::size_t k = 0; k < here.inputs.size(); ++k) {
    const bool flows = dependent_[here.inputs[k]] && gradient_flows(here.op, k, 0);
    call.wanted.push_back(flows);
    useful = useful || flows;
  }
  useful = useful && std::ranges::any_of(call.adjoints, [](Value adjoint) { return adjoint != 0; });
  if (!useful) return {};
  const VjpRow row = vjp_row(here.op);
  if (row.kind != VjpRow::Kind::function) {
    return Error{
        Code::unsupported, graph_.scope_name(here.scope),
        fmt::format(
            "{} has no derivative; to differentiate a backward pass, take the graph apart with decompose() first",
            info(here.op).name)};
  }
  graph_.push_path(graph_.scope_name(call.node.scope) + "'");
  row.function(call);
  for (std::size_t k = 0; k < call.gradients.size(); ++k) {
    if (call.wanted[k] && call.gradients[k] != 0) accumulate(call.node.inputs[k], call.gradients[k]);
  }
  graph_.pop_scope();
  return graph_.status();
}

Result<std::vector<Value>> Differentiation::run() {
  mark_dependent();
  adjoints_.assign(graph_.value_count(), 0);
  if (dependent_[loss_]) {
    graph_.push_path(graph_.scope_name(graph_.node_of(loss_).scope) + "'");
    adjoints_[loss_] = Emitter{graph_}.scalar(1);
    graph_.pop_scope();
    for (std::size_t i = end_; i-- > 0;) {
      if (auto good = differentiate(i); !good) return good.error();
    }
  }
  if (auto good = graph_.status(); !good) return good.error();
  std::vector<Value> out;
  for (const Value value : wanted_) out.push_back(adjoints_[value]);
  return out;
}

}  // namespace

Result<std::vector<Value>> gradients(Graph& graph, Value loss, std::span<const Value> wanted) {
  if (auto good = graph.status(); !good) return good.error();
  if (!graph.is_valid(loss) || graph.dtype(loss) != DType::f32 || graph.shape(loss).rank() != 0) {
    return Error{Code::argument, "",
                 graph.is_valid(loss)
                     ? fmt::format("a loss is one f32 number, but this is {} {}; reduce it to a scalar",
                                   to_string(graph.dtype(loss)), graph.shape(loss).text())
                     : "the loss is none; give a value of this graph"};
  }
  for (const Value value : wanted) {
    if (graph.is_valid(value) && graph.dtype(value) == DType::f32) continue;
    return Error{Code::argument, "", "gradients are only taken for f32 values of this graph"};
  }
  return Differentiation(graph, loss, wanted).run();
}

}  // namespace caddie::graph
