#include "core/cpu/node_kernels.hpp"

#include <algorithm>

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

double bytes_of_all(const CompileInput& input, const graph::Step& step) {
  const auto bytes = [&](graph::Value base, std::int64_t elements) {
    return (input.narrow[base] ? 2.0 : 4.0) * static_cast<double>(elements);
  };
  double all = 0;
  for (const graph::View& view : step.inputs) {  // stretched ones are read again from the caches
    all += bytes(view.base, std::min(view.shape.elements(), input.graph.shape(view.base).elements()));
  }
  for (const graph::Value value : step.writes) all += bytes(value, input.graph.shape(value).elements());
  return all;
}

}  // namespace caddie::cpu
