// Norms and softmax over the last axis. Rows may stand apart from each other.
#include <algorithm>

#include "core/cuda/kernels/kernel_texts.hpp"
#include "core/cuda/node_kernels.hpp"

namespace caddie::cuda {

using graph::Graph;
using graph::Node;
using graph::Op;
using graph::View;

namespace {

// How a block reads a row at once: so many elements a thread, so many times.
struct RowCut {
  std::int64_t lanes = 1, each = 1;
  std::uint32_t block = 32;

  RowCut(const std::vector<View>& rows, std::int64_t columns) {
    const bool four = columns % 4 == 0 && std::ranges::all_of(rows, [](const View& view) {
                        return view.offset % 4 == 0 && *row_stride(view) % 4 == 0;
                      });
    lanes = four ? 4 : 1;
    const std::int64_t threads = ceil_div(columns, lanes);
    block = static_cast<std::uint32_t>(std::min<std::int64_t>(ceil_div(ceil_div(threads, 4), 32) * 32, 1024));
    if (threads <= 256) block = static_cast<std::uint32_t>(ceil_div(threads, 32) * 32);
    each = ceil_div(threads, block);
  }
};

bool reads_view(const Graph&, const Node&, std::size_t, const View& view) { return row_stride(view).has_value(); }

template <Op op>
CudaStep make(const CompileInput& input, const graph::Step& graph_step) {
  const Node& node = input.graph.nodes()[graph_step.node];
  const View& x = graph_step.inputs[0];
  const std::int64_t columns = x.shape[x.shape.rank() - 1];
  const std::int64_t rows = x.shape.elements() / columns;
  Defines defines;
  defines.set("COLUMNS", columns).set("X_STRIDE", *row_stride(x)).set("X_T", input.type(x.base));
  defines.set("Y_T", input.type(node.first_output)).real("EPS", node.attributes.real("eps"));
  std::vector<Place> places{input.place(x)};
  const char* kernel = "softmax";
  if (op == Op::rms_norm) kernel = "rms_norm";
  if (op == Op::rms_norm_backward) {
    kernel = "rms_norm_backward";
    const View& dy = graph_step.inputs[1];
    defines.set("DY_STRIDE", *row_stride(dy)).set("DY_T", input.type(dy.base));
    places.push_back(input.place(dy));
  }
  if (op == Op::layer_norm) {
    kernel = "layer_norm";
    defines.set("WEIGHT_T", input.type(graph_step.inputs[1].base)).set("BIAS_T", input.type(graph_step.inputs[2].base));
    for (std::size_t i = 1; i < 3; ++i) places.push_back(input.place(graph_step.inputs[i]));
  }
  if (op == Op::softmax || op == Op::log_sum_exp) defines.set("LSE", op == Op::log_sum_exp ? "1" : "0");
  places.push_back(input.place(node.first_output));
  CudaStep step;
  const bool norm = op == Op::rms_norm || op == Op::rms_norm_backward || op == Op::layer_norm;
  const RowCut cut(graph_step.inputs, columns);
  if (norm) defines.set("LANES", cut.lanes).set("EACH", cut.each);
  const std::string text =
      norm ? defines.before("lanes") + std::string(kernel_text(kernel)) : defines.before(kernel);
  const auto pointers = static_cast<std::uint32_t>(places.size());
  step.launch({std::string(info(op).name), text, pointers, norm ? cut.block : row_block(columns), 0, true}, rows,
              std::move(places));
  step.cost = {"norm", 10.0 * static_cast<double>(rows * columns), bytes_of_all(input, node)};
  return step;
}

}  // namespace

const NodeKernel* row_kernel(Op op) {
  static const NodeKernel rms_norm{{nullptr, reads_view, 0}, make<Op::rms_norm>};
  static const NodeKernel rms_norm_backward{{nullptr, reads_view, 1}, make<Op::rms_norm_backward>};
  static const NodeKernel layer_norm{{nullptr, reads_view, 0}, make<Op::layer_norm>};
  static const NodeKernel softmax{{nullptr, reads_view, 0}, make<Op::softmax>};
  static const NodeKernel log_sum_exp{{nullptr, reads_view, -1}, make<Op::log_sum_exp>};
  switch (op) {
    case Op::rms_norm: return &rms_norm;
    case Op::rms_norm_backward: return &rms_norm_backward;
    case Op::layer_norm: return &layer_norm;
    case Op::softmax: return &softmax;
    case Op::log_sum_exp: return &log_sum_exp;
    default: return nullptr;
  }
}

}  // namespace caddie::cuda
