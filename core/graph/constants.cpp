#include "core/graph/constants.hpp"

#include <algorithm>
#include <string>

#include "core/graph/emitter.hpp"
#include "core/graph/executor.hpp"
#include "core/graph/shape_rules.hpp"

namespace caddie::graph {
namespace {

Attributes constant_attributes(Numbers numbers, const Shape& shape, DType type) {
  const bool one = std::ranges::all_of(numbers, [&](double number) { return number == numbers.front(); });
  if (one) numbers.resize(1);
  return Attributes()
      .set("values", std::move(numbers))
      .set("shape", to_axes(shape))
      .set("dtype", static_cast<std::int64_t>(type));
}

bool small(const Graph& graph, std::span<const Value> values) {
  return std::ranges::all_of(values, [&](Value value) { return graph.shape(value).elements() <= kLargestFolded; });
}

// An elementwise operation of uniform constants is computed on scalars.
bool elementwise_of_uniform(const Graph& graph, Op op, std::span<const Value> inputs) {
  return elementwise_rule(op) != nullptr &&
         std::ranges::all_of(inputs, [&](Value input) { return uniform_constant(graph, input).has_value(); });
}

}  // namespace

std::optional<double> uniform_constant(const Graph& graph, Value value) {
  const Node& node = graph.node_of(value);
  if (node.op != Op::constant) return std::nullopt;
  const auto values = node.attributes.reals("values");
  return values.size() == 1 ? std::optional(values[0]) : std::nullopt;
}

bool is_known(const Graph& graph, Value value) {
  const Op op = graph.node_of(value).op;
  return op == Op::constant || op == Op::iota;
}

std::vector<Numbers> computed_outputs(const Graph& graph) {
  const auto executor = make_reference_executor({.precision = Precision::f64});
  auto program = executor->compile(graph);
  if (!program) return {};
  std::vector<BufferPtr> buffers;
  for (const Output& output : graph.outputs()) {
    const auto elements = static_cast<std::size_t>(graph.shape(output.value).elements());
    auto buffer = executor->allocate(elements * executor->element_bytes(graph.dtype(output.value)));
    if (!buffer || !(*program)->bind(output.name, {*buffer, 0})) return {};
    buffers.push_back(*buffer);
  }
  if (!(*program)->run({})) return {};
  std::vector<Numbers> out;
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    const Value value = graph.outputs()[i].value;
    const auto elements = static_cast<std::size_t>(graph.shape(value).elements());
    if (graph.dtype(value) == DType::i32) {
      const auto* data = static_cast<const std::int32_t*>(buffers[i]->host_data());
      out.emplace_back(data, data + elements);
    } else {
      const auto* data = static_cast<const double*>(buffers[i]->host_data());
      out.emplace_back(data, data + elements);
    }
  }
  return out;
}

std::vector<Attributes> fold(const Graph& graph, Op op, std::span<const Value> inputs, const Attributes& attributes) {
  if (inputs.empty() || !std::ranges::all_of(inputs, [&](Value input) { return is_known(graph, input); })) return {};
  if (op == Op::stop_gradient || op == Op::custom) return {};
  const bool on_scalars = elementwise_of_uniform(graph, op, inputs);
  if (!on_scalars && !small(graph, inputs)) return {};
  Graph shapes;  // for the shapes of the outputs
  Graph numbers;
  std::vector<Value> known;
  std::vector<Value> operands;
  for (const Value input : inputs) {
    const Node& node = graph.node_of(input);
    known.push_back(shapes.emit_like(graph, node, {}));
    Attributes scalar = node.attributes;
    if (on_scalars) scalar.set("shape", Axes());
    operands.push_back(numbers.emit(node.op, {}, std::move(scalar)));
  }
  const Value full = shapes.emit(op, known, attributes);
  const Value first = numbers.emit(op, operands, attributes);
  if (shapes.failed() || numbers.failed()) return {};
  const std::uint32_t count = shapes.node_of(full).output_count;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (!on_scalars && shapes.shape(full + i).elements() > kLargestFolded) return {};
    numbers.output("y" + std::to_string(i), first + i);
  }
  std::vector<Attributes> folded;
  std::uint32_t output = 0;
  for (Numbers& values : computed_outputs(numbers)) {
    const Value value = full + output++;
    folded.push_back(constant_attributes(std::move(values), shapes.shape(value), shapes.dtype(value)));
  }
  return folded;
}

}  // namespace caddie::graph
