#include "core/plugins/kernel.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "core/graph/custom.hpp"
#include "core/plugins/build.hpp"
#include "core/plugins/call.hpp"

namespace caddie::plugins {

using graph::CustomCall;
using graph::CustomForm;
using graph::CustomKernel;
using graph::CustomVjp;
using graph::Graph;
using graph::Value;

namespace {

constexpr std::uint32_t kLargestParameters = 4096;

caddie_shape to_abi(graph::DType dtype, const graph::Shape& shape) {
  caddie_shape out = {};
  out.struct_size = sizeof out;
  out.dtype = static_cast<caddie_dtype>(dtype);
  out.rank = static_cast<std::uint32_t>(shape.rank());
  std::ranges::copy(shape.lengths(), out.lengths);
  return out;
}

std::vector<const caddie_shape*> pointers(const std::vector<caddie_shape>& shapes) {
  std::vector<const caddie_shape*> out;
  for (const caddie_shape& shape : shapes) out.push_back(&shape);
  return out;
}

// One use of a plugin's kernel. The table is constant data of a file that is never unloaded; the parameters are a copy.
class PluginKernel final : public CustomKernel {
 public:
  PluginKernel(const caddie_kernel* kernel, CustomForm form, std::vector<caddie_shape> input_shapes,
               std::vector<std::byte> parameters)
      : CustomKernel(std::move(form)),
        kernel_(kernel),
        parameters_(std::move(parameters)),
        input_shapes_(std::move(input_shapes)),
        input_pointers_(pointers(input_shapes_)) {
    for (const graph::CustomOutput& output : this->form().outputs)
      output_shapes_.push_back(to_abi(output.dtype, output.shape));
    output_pointers_ = pointers(output_shapes_);
  }

  Result<void> compute(const CustomCall& call) const override {
    caddie_kernel_call given = {};
    given.struct_size = sizeof given;
    given.input_count = static_cast<std::uint32_t>(call.inputs.size());
    given.output_count = static_cast<std::uint32_t>(call.outputs.size());
    given.inputs = call.inputs.data();
    given.outputs = call.outputs.data();
    given.input_shapes = input_pointers_.data();
    given.output_shapes = output_pointers_.data();
    given.parameters = parameters_.data();
    given.begin = call.begin;
    given.end = call.end;
    given.scratch = call.scratch;
    auto done = call_plugin("", [&](caddie_error* error) { return kernel_->compute(&given, error); });
    if (done) return done;
    return Error{done.error().code, done.error().where,
                 fmt::format("custom kernel \"{}\" failed: {}", form().name, done.error().text)};
  }

  Result<std::vector<Value>> reference(Graph& graph, std::span<const Value> inputs) const override {
    std::vector<Value> results(form().outputs.size(), 0);
    caddie_kernel_build given = build_of(graph, inputs);
    given.results = results.data();
    return built(kernel_->reference, given, std::move(results));
  }

  [[nodiscard]] bool differentiable() const override {
    return CADDIE_HAS(kernel_, caddie_kernel, gradient) && kernel_->gradient != nullptr;
  }

  Result<std::vector<Value>> vjp(Graph& graph, const CustomVjp& from) const override {
    std::vector<Value> results(from.inputs.size(), 0);
    std::vector<std::uint8_t> wanted(from.wanted.begin(), from.wanted.end());
    caddie_kernel_build given = build_of(graph, from.inputs);
    given.outputs = from.outputs.data();
    given.adjoints = from.adjoints.data();
    given.wanted = wanted.data();
    given.results = results.data();
    return built(kernel_->gradient, given, std::move(results));
  }

  [[nodiscard]] bool same_as(const CustomKernel& other) const override {
    const auto* kernel = dynamic_cast<const PluginKernel*>(&other);
    return kernel != nullptr && kernel->kernel_ == kernel_ && kernel->parameters_ == parameters_;
  }

 private:
  [[nodiscard]] caddie_kernel_build build_of(Graph& graph, std::span<const Value> inputs) const {
    caddie_kernel_build given = {};
    given.struct_size = sizeof given;
    given.input_count = static_cast<std::uint32_t>(inputs.size());
    given.output_count = static_cast<std::uint32_t>(form().outputs.size());
    given.graph = reinterpret_cast<caddie_graph*>(&graph);
    given.graph_service = graph_service();
    given.kernel_service = kernel_service();
    given.inputs = inputs.data();
    given.parameters = parameters_.data();
    return given;
  }

  static Result<std::vector<Value>> built(caddie_code (*function)(const caddie_kernel_build*, caddie_error*),
                                          const caddie_kernel_build& given, std::vector<Value> results) {
    auto done = call_plugin("", [&](caddie_error* error) { return function(&given, error); });
    if (!done) return done.error();
    return results;
  }

  const caddie_kernel* kernel_;
  std::vector<std::byte> parameters_;
  std::vector<caddie_shape> input_shapes_, output_shapes_;
  std::vector<const caddie_shape*> input_pointers_, output_pointers_;
};

constexpr std::uint32_t kFirstKernel = offsetof(caddie_kernel, gradient) + sizeof(caddie_kernel::gradient);
constexpr std::uint32_t kFirstNode = offsetof(caddie_kernel_node, scratch_bytes) + sizeof(std::uint64_t);

// What is wrong with a node before the graph sees it; empty when nothing is.
std::string complaint(const caddie_kernel* kernel, const caddie_kernel_node* node) {
  if (kernel == nullptr || node == nullptr) return "a custom kernel without its table or its node (NULL)";
  if (kernel->struct_size < kFirstKernel)
    return "a caddie_kernel whose struct_size is too small; set it to sizeof(caddie_kernel)";
  if (node->struct_size < kFirstNode)
    return "a caddie_kernel_node whose struct_size is too small; set it to sizeof(caddie_kernel_node)";
  if (kernel->name == nullptr || kernel->name[0] == '\0') return "a custom kernel without a name";
  const std::string who = fmt::format("custom kernel \"{}\": ", kernel->name);
  if (kernel->compute == nullptr) return who + "it has no function compute (NULL); every kernel runs on the processor";
  if (kernel->reference == nullptr)
    return who +
           "it has no reference (NULL); say in operations of the table what it computes, it is checked against that";
  if (node->parameters_size > kLargestParameters)
    return who + fmt::format("{} bytes of parameters; {} are the most", node->parameters_size, kLargestParameters);
  if (node->input_count > graph::kMostCustomInputs || node->output_count > graph::kMostCustomOutputs)
    return who + fmt::format("{} inputs and {} outputs; {} and {} are the most", node->input_count, node->output_count,
                             graph::kMostCustomInputs, graph::kMostCustomOutputs);
  for (std::uint32_t i = 0; i < node->output_count; ++i) {
    if (node->outputs[i] == nullptr || node->outputs[i]->rank > graph::Shape::kMaxRank)
      return who + fmt::format("output {} has no shape of at most {} axes", i, graph::Shape::kMaxRank);
  }
  return "";
}

caddie_value emit(caddie_graph* handle, const caddie_kernel* kernel, const caddie_kernel_node* node) noexcept {
  Graph& graph = *reinterpret_cast<Graph*>(handle);
  if (graph.failed()) return 0;
  if (std::string text = complaint(kernel, node); !text.empty()) {
    graph.fail({Code::argument, graph.current_scope(), std::move(text)});
    return 0;
  }
  CustomForm form{kernel->name, {}, node->parts, node->scratch_bytes};
  for (std::uint32_t i = 0; i < node->output_count; ++i) {
    const caddie_shape& shape = *node->outputs[i];
    form.outputs.push_back(
        {static_cast<graph::DType>(shape.dtype), graph::Shape(std::span(shape.lengths, shape.rank))});
  }
  const std::vector<Value> inputs(node->inputs, node->inputs + node->input_count);
  std::vector<caddie_shape> shapes;
  for (const Value input : inputs) {
    shapes.push_back(graph.is_valid(input) ? to_abi(graph.dtype(input), graph.shape(input)) : caddie_shape{});
  }
  std::vector<std::byte> parameters(node->parameters_size);
  if (!parameters.empty()) std::memcpy(parameters.data(), node->parameters, parameters.size());
  return graph.custom(std::make_shared<PluginKernel>(kernel, std::move(form), std::move(shapes), std::move(parameters)),
                      inputs);
}

}  // namespace

const caddie_host_kernel* kernel_service() {
  static const caddie_host_kernel service = {sizeof(caddie_host_kernel), 0, emit};
  return &service;
}

}  // namespace caddie::plugins
