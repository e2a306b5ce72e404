// Operations along an axis: concat, cumsum, rope.
#include "core/cuda/codegen/group_code.hpp"
#include "core/cuda/kernels/kernel_texts.hpp"
#include "core/cuda/node_kernels.hpp"

namespace caddie::cuda {

using graph::DType;
using graph::Graph;
using graph::Node;
using graph::Op;
using graph::View;

namespace {

constexpr std::uint32_t kBlock = 256;

// Each input gives one stretch of elements in order for every outer index.
CudaStep make_concat(const CompileInput& input, const graph::Step& graph_step) {
  const Node& node = input.graph.nodes()[graph_step.node];
  const graph::Shape& shape = input.graph.shape(node.first_output);
  const auto axis = static_cast<int>(node.attributes.integer("axis"));
  std::int64_t outer = 1;
  for (int i = 0; i < axis; ++i) outer *= shape[i];
  CudaStep step;
  std::int64_t start = 0;
  for (const View& view : graph_step.inputs) {
    const std::int64_t length = view.shape.elements() / outer;
    const CopyTarget to{input.place(node.first_output), input.type(node.first_output), length,
                        shape.elements() / outer, start};
    add_copy(input, view, to, step);
    start += length;
  }
  step.cost = {"copy", 0, bytes_of_all(input, node)};
  return step;
}

CudaStep make_cumsum(const CompileInput& input, const graph::Step& graph_step) {
  const Node& node = input.graph.nodes()[graph_step.node];
  const graph::Shape& shape = input.graph.shape(node.first_output);
  const auto axis = static_cast<int>(node.attributes.integer("axis"));
  std::int64_t inner = 1;
  for (int i = axis + 1; i < shape.rank(); ++i) inner *= shape[i];
  const std::int64_t lines = shape.elements() / shape[axis];
  const bool real = input.graph.dtype(node.first_output) == DType::f32;
  Defines defines;
  defines.index(shape.elements()).set("LINES", lines).set("LENGTH", shape[axis]).set("INNER", inner);
  defines.set("REVERSE", node.attributes.integer("reverse") != 0 ? "1" : "0");
  defines.set("SUM", real ? "double" : "u32").set("NUMBER", real ? "float" : "int");
  defines.set("X_T", input.type(graph_step.inputs[0].base)).set("Y_T", input.type(node.first_output));
  CudaStep step;
  step.launch({"cumsum", defines.before("cumsum"), 2, kBlock, 0, false}, ceil_div(lines, kBlock),
              {input.place(graph_step.inputs[0]), input.place(node.first_output)});
  step.cost = {"reduce", static_cast<double>(shape.elements()), bytes_of_all(input, node)};
  return step;
}

CudaStep make_rope(const CompileInput& input, const graph::Step& graph_step) {
  const Node& node = input.graph.nodes()[graph_step.node];
  const View& x = graph_step.inputs[0];
  Defines defines;
  const std::int64_t elements = x.shape.elements();
  defines.index(elements)
      .set("ELEMENTS", elements)
      .set("TIMES", x.shape[1])
      .set("HEADS", x.shape[2])
      .set("DIM", x.shape[3]);
  defines.set("PAIRS", graph_step.inputs[1].shape[1]);
  defines.set("X_B", x.strides[0]).set("X_T_STRIDE", x.strides[1]).set("X_H", x.strides[2]);
  defines.set("X_T", input.type(x.base)).set("Y_T", input.type(node.first_output));
  defines.set("COS_T", input.type(graph_step.inputs[1].base)).set("SIN_T", input.type(graph_step.inputs[2].base));
  CudaStep step;
  step.launch({"rope", defines.before("rope"), 4, kBlock, 0, false}, ceil_div(elements, kBlock),
              {input.place(x), input.place(graph_step.inputs[1]), input.place(graph_step.inputs[2]),
               input.place(node.first_output)});
  step.cost = {"elementwise", 3.0 * static_cast<double>(elements), bytes_of_all(input, node)};
  return step;
}

bool any_view(const Graph&, const Node&, std::size_t, const View&) { return true; }

bool rope_reads_view(const Graph&, const Node&, std::size_t input, const View& view) {
  return view.is_dense() || (input == 0 && !view.bounded && (view.strides[3] == 1 || view.shape[3] == 1));
}

}  // namespace

const NodeKernel* sequence_kernel(Op op) {
  static const NodeKernel concat{{nullptr, any_view, -1}, make_concat};
  static const NodeKernel cumsum{{nullptr, nullptr, -1}, make_cumsum};
  static const NodeKernel rope{{nullptr, rope_reads_view, -1}, make_rope};
  switch (op) {
    case Op::concat: return &concat;
    case Op::cumsum: return &cumsum;
    case Op::rope: return &rope;
    default: return nullptr;
  }
}

}  // namespace caddie::cuda
