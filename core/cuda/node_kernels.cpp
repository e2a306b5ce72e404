#include "core/cuda/node_kernels.hpp"

namespace caddie::cuda {

const NodeKernel* node_kernel(graph::Op op) {
  for (const auto family :
       {matrix_kernel, attention_kernel, index_kernel, sequence_kernel, row_kernel, loss_kernel}) {
    if (const NodeKernel* found = family(op)) return found;
  }
  return nullptr;
}

double bytes_of_all(const CompileInput& input, const graph::Node& node) {
  double bytes = 0;
  const auto add = [&](graph::Value value) {
    bytes += static_cast<double>(input.graph.shape(value).elements() * input.width(value));
  };
  for (const graph::Value value : node.inputs) add(value);
  for (std::uint32_t i = 0; i < node.output_count; ++i) add(node.first_output + i);
  return bytes;
}

const char* number(const CompileInput& input, graph::Value value) {
  return input.graph.dtype(value) == graph::DType::i32 ? "int" : "float";
}

std::optional<std::int64_t> row_stride(const graph::View& view) {
  if (view.bounded || view.shape.rank() == 0) return std::nullopt;
  const int last = view.shape.rank() - 1;
  if (view.shape[last] != 1 && view.strides[static_cast<std::size_t>(last)] != 1) return std::nullopt;
  std::int64_t stride = view.shape[last];
  std::int64_t rows = 1;
  for (int axis = last - 1; axis >= 0; --axis) {
    if (view.shape[axis] == 1) continue;
    const std::int64_t step = view.strides[static_cast<std::size_t>(axis)];
    if (rows == 1) stride = step;
    if (step != stride * rows || step <= 0) return std::nullopt;
    rows *= view.shape[axis];
  }
  return stride;
}

std::uint32_t row_block(std::int64_t columns) {
  return columns <= 64 ? 32 : columns <= 256 ? 64 : columns <= 1024 ? 128 : 256;
}

std::uint32_t alignment_of(const Place& place) {
  std::uint32_t bytes = 16;
  while (place.bytes % bytes != 0) bytes /= 2;
  return bytes;
}

void add_product(CudaStep& step, const PlainProduct& p, const Place& a, const Place& b, const Place& c) {
  const auto operand = [](const Place& place, std::int64_t rows, std::int64_t columns, bool transposed, bool narrow) {
    MatrixOperand out;
    out.row_stride = transposed ? 1 : columns;
    out.column_stride = transposed ? rows : 1;
    out.narrow = narrow;
    out.alignment = alignment_of(place);
    return out;
  };
  Product product;
  product.m = p.m;
  product.n = p.n;
  product.k = p.k;
  product.a = operand(a, p.m, p.k, p.a_transposed, p.narrow);
  product.b = operand(b, p.k, p.n, p.b_transposed, p.narrow);
  product.c = operand(c, p.m, p.n, false, p.narrow_result);
  product.beta = p.accumulates ? 1 : 0;
  step.commands.push_back(ProductCommand{.product = product, .a = a, .b = b, .c = c});
  if (p.accumulates) std::get<ProductCommand>(step.commands.back()).addend = c;
}

}  // namespace caddie::cuda
