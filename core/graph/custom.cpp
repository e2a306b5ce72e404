#include "core/graph/custom.hpp"

#include <fmt/format.h>

#include "core/graph/shape_rules.hpp"
#include "core/graph/vjp.hpp"

namespace caddie::graph {
namespace {

std::string described(DType dtype, const Shape& shape) { return fmt::format("{} {}", to_string(dtype), shape.text()); }

void fail(Graph& graph, const CustomKernel& kernel, Error error) {
  error.text = fmt::format("custom kernel \"{}\": {}", kernel.form().name, error.text);
  if (error.where.empty()) error.where = graph.current_scope();
  graph.fail(std::move(error));
}

// A value of this graph of just this type and shape.
Result<void> check_value(const Graph& graph, Value value, DType dtype, const Shape& shape, const std::string& what) {
  if (!graph.is_valid(value)) return argument_error(fmt::format("{} is none; give a value of the graph", what));
  if (graph.dtype(value) == dtype && graph.shape(value) == shape) return {};
  return shape_error(fmt::format("{} is {}, and must be {}", what, described(graph.dtype(value), graph.shape(value)),
                                 described(dtype, shape)));
}

}  // namespace

Result<void> check_custom(const Graph& graph, const CustomKernel& kernel, std::span<const Value> inputs) {
  const CustomForm& form = kernel.form();
  if (form.name.empty()) return argument_error("it has no name; messages need one");
  if (inputs.size() > kMostCustomInputs || form.outputs.empty() || form.outputs.size() > kMostCustomOutputs) {
    return argument_error(fmt::format("{} inputs and {} outputs; at most {} inputs and 1 to {} outputs are possible",
                                      inputs.size(), form.outputs.size(), kMostCustomInputs, kMostCustomOutputs));
  }
  if (form.parts < 1) return argument_error(fmt::format("{} parts; there must be at least one", form.parts));
  if (form.scratch_bytes > kLargestCustomScratch) {
    return argument_error(fmt::format("{} bytes of scratch memory for a call; {} are the most", form.scratch_bytes,
                                      kLargestCustomScratch));
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!graph.is_valid(inputs[i])) return argument_error(fmt::format("input {} is none", i));
  }
  for (std::size_t i = 0; i < form.outputs.size(); ++i) {
    const CustomOutput& output = form.outputs[i];
    if (output.dtype != DType::f32 && output.dtype != DType::i32)
      return argument_error(fmt::format("output {} has the unknown type {}", i, static_cast<int>(output.dtype)));
    if (auto checked = checked_shape(output.shape.lengths(), "an output"); !checked) return checked.error();
  }
  return {};
}

std::vector<Value> custom_decomposition(const Emitter& e, const Node& node, std::span<const Value> inputs) {
  const CustomKernel& kernel = *node.custom;
  Graph& graph = e.graph;
  const std::vector<CustomOutput>& outputs = kernel.form().outputs;
  const std::vector<Value> none(outputs.size(), 0);
  if (graph.failed()) return none;
  graph.push_scope(kernel.form().name);
  Result<std::vector<Value>> made = kernel.reference(graph, inputs);
  Result<void> good;
  if (!made) good = made.error();
  if (good && !graph.failed() && made->size() != outputs.size())
    good = argument_error(fmt::format("its reference makes {} values for {} outputs", made->size(), outputs.size()));
  for (std::size_t i = 0; good && !graph.failed() && i < outputs.size(); ++i) {
    good = check_value(graph, (*made)[i], outputs[i].dtype, outputs[i].shape,
                       fmt::format("output {} of its reference", i));
  }
  if (!good) fail(graph, kernel, good.error());
  graph.pop_scope();
  return graph.failed() ? none : *made;
}

void custom_vjp(VjpCall& call) {
  const CustomKernel& kernel = *call.node.custom;
  Graph& graph = call.e.graph;
  if (!kernel.differentiable()) {
    fail(graph, kernel,
         {Code::unsupported, graph.scope_name(call.node.scope),
          "it has no derivative, and a gradient is asked through it; use it where no gradient passes (behind "
          "stop_gradient, outside training), or leave out the block it belongs to"});
    return;
  }
  std::vector<Value> outputs;
  std::vector<Value> adjoints;
  for (std::uint32_t i = 0; i < call.node.output_count; ++i) {
    outputs.push_back(call.out(i));
    adjoints.push_back(call.e.graph.dtype(call.out(i)) == DType::f32 ? call.adjoint_or_zeros(i) : 0);
  }
  Result<std::vector<Value>> made = kernel.vjp(graph, {call.node.inputs, outputs, adjoints, call.wanted});
  Result<void> good;
  if (!made) good = made.error();
  if (good && !graph.failed() && made->size() != call.node.inputs.size())
    good = argument_error(fmt::format("{} gradients for {} inputs", made->size(), call.node.inputs.size()));
  for (std::size_t i = 0; good && !graph.failed() && i < call.node.inputs.size(); ++i) {
    if (!call.wanted[i] || (*made)[i] == 0) continue;
    good = check_value(graph, (*made)[i], DType::f32, call.shape(i), fmt::format("the gradient of input {}", i));
    call.gradients[i] = (*made)[i];
  }
  if (!good) fail(graph, kernel, good.error());
}

}  // namespace caddie::graph
