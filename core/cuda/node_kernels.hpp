// Which operations have kernels of their own, outside fused groups, and what each can read. Constant data; any thread.
#pragma once

#include <cstddef>
#include <optional>

#include "core/cuda/step.hpp"
#include "core/graph/kernel_forms.hpp"

namespace caddie::cuda {

struct NodeKernel : graph::KernelForm {
  CudaStep (*make)(const CompileInput&, const graph::Step&) = nullptr;
};

// nullptr for an operation without one: composites are then taken apart.
const NodeKernel* node_kernel(graph::Op op);

// One family each.
const NodeKernel* matrix_kernel(graph::Op op);
const NodeKernel* attention_kernel(graph::Op op);
const NodeKernel* index_kernel(graph::Op op);
const NodeKernel* sequence_kernel(graph::Op op);
const NodeKernel* row_kernel(graph::Op op);
const NodeKernel* loss_kernel(graph::Op op);

// The node's inputs and outputs read or written once, for costs.
double bytes_of_all(const CompileInput& input, const graph::Node& node);

// "float" or "int": what kernels compute in.
const char* number(const CompileInput& input, graph::Value value);

// Elements from one row (last axis) to the next; nullopt when rows are not evenly apart or not side by side inside.
std::optional<std::int64_t> row_stride(const graph::View& view);

// Threads of a block that works on one row.
std::uint32_t row_block(std::int64_t columns);

// What the address of a place is a multiple of, up to 16: values stand at multiples of 16 bytes.
std::uint32_t alignment_of(const Place& place);

// c = a b, dense row-major [m, k] and [k, n] of places; the columns of `b` may stand as rows of its memory.
struct PlainProduct {
  std::int64_t m = 1, n = 1, k = 1;
  bool a_transposed = false;  // a's memory is [k, m]
  bool b_transposed = false;  // b's memory is [n, k]
  bool narrow = false;        // operands
  bool narrow_result = false;
  bool accumulates = false;
};
void add_product(CudaStep& step, const PlainProduct& product, const Place& a, const Place& b, const Place& c);

}  // namespace caddie::cuda
