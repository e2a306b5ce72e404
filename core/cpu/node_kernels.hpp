// Which operations have a kernel of their own, outside fused groups, and what each can read. Constant data; any thread.
#pragma once

#include <cstddef>

#include "core/cpu/step.hpp"
#include "core/graph/kernel_forms.hpp"

namespace caddie::cpu {

struct NodeKernel : graph::KernelForm {
  CpuStepPtr (*make)(const CompileInput&, const graph::Step&) = nullptr;
};

// nullptr for an operation without one.
const NodeKernel* node_kernel(graph::Op op);

// One family each.
const NodeKernel* matrix_kernel(graph::Op op);
// Whether the step of a product, or of a norm's gradient, makes this of its result.
bool product_takes(const graph::Epilogue& epilogue);
bool norm_takes(const graph::Epilogue& epilogue);
const NodeKernel* attention_kernel(graph::Op op);
const NodeKernel* index_kernel(graph::Op op);
const NodeKernel* sequence_kernel(graph::Op op);
const NodeKernel* row_kernel(graph::Op op);
const NodeKernel* loss_kernel(graph::Op op);
const NodeKernel* custom_kernel(graph::Op op);

// The value's bytes read or written once, for costs.
double bytes_of(const graph::Graph& graph, graph::Value value);
// And of all that the step of a single node reads and writes, its epilogue's included, in the widths they are kept in.
double bytes_of_all(const CompileInput& input, const graph::Step& step);

}  // namespace caddie::cpu
