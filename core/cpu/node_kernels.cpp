#include "core/cpu/node_kernels.hpp"

namespace caddie::cpu {

const NodeKernel* node_kernel(graph::Op op) {
  for (const auto family :
       {matrix_kernel, attention_kernel, index_kernel, sequence_kernel, row_kernel, loss_kernel, custom_kernel}) {
    if (const NodeKernel* found = family(op)) return found;
  }
  return nullptr;
}

double bytes_of(const graph::Graph& graph, graph::Value value) {
  return 4.0 * static_cast<double>(graph.shape(value).elements());
}

double bytes_of_all(const graph::Graph& graph, const graph::Node& node) {
  double bytes = 0;
  for (const graph::Value input : node.inputs) bytes += bytes_of(graph, input);
  for (std::uint32_t i = 0; i < node.output_count; ++i) bytes += bytes_of(graph, node.first_output + i);
  return bytes;
}

double bytes_of_epilogue(const CompileInput& input, const graph::Step& step) {
  if (!step.epilogue) return 0;
  double bytes = 0;
  for (const graph::Value value : {step.epilogue->addend.base, step.epilogue->slope_at.base, step.epilogue->before}) {
    if (value != 0) bytes += bytes_of(input.graph, value) / (input.narrow[value] ? 2 : 1);
  }
  return bytes;
}

}  // namespace caddie::cpu
