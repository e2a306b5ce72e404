// gather, scatter_add, pick and place. An index outside reads zeros and writes nothing. scatter_add adds to every row
// in one order: short ones by a thread that goes through all indices, long ones by lists of each row's positions.
#include "core/cuda/kernels/kernel_texts.hpp"
#include "core/cuda/node_kernels.hpp"

namespace caddie::cuda {

using graph::Graph;
using graph::Node;
using graph::Op;
using graph::View;

namespace {

constexpr std::uint32_t kBlock = 256;
constexpr std::int64_t kChunk = 1024;                // indices of a block that counts
constexpr std::int64_t kScanned = std::int64_t{1} << 24;  // elements times indices that one kernel looks through

struct IndexCall {
  const CompileInput& input;
  const Node& node;
  const std::vector<View>& views;
  std::int64_t elements;  // of the result
  Defines defines;
  CudaStep step;

  IndexCall(const CompileInput& from, const graph::Step& graph_step)
      : input(from), node(from.graph.nodes()[graph_step.node]), views(graph_step.inputs),
        elements(from.graph.shape(node.first_output).elements()) {
    defines.index(elements).set("ELEMENTS", elements).set("NUMBER", number(input, node.first_output));
    defines.set("X_T", input.type(views[0].base)).set("Y_T", input.type(node.first_output));
    defines.set("X_STRIDE", views[0].is_splat() && !views[0].is_dense() ? 0 : 1);
    step.cost = {"index", 0, 2.0 * static_cast<double>(elements * input.width(node.first_output))};
  }

  [[nodiscard]] Place in(std::size_t i) const { return input.place(views[i]); }
  [[nodiscard]] Place out() const { return input.place(node.first_output); }

  CudaStep a_thread_an_element(const char* kernel) {
    std::vector<Place> places;
    for (std::size_t i = 0; i < views.size(); ++i) places.push_back(in(i));
    places.push_back(out());
    const auto pointers = static_cast<std::uint32_t>(places.size());
    step.launch({std::string(info(node.op).name), defines.before(kernel), pointers, kBlock, 0, false},
                ceil_div(elements, kBlock), std::move(places));
    return std::move(step);
  }
};

CudaStep make_gather(const CompileInput& input, const graph::Step& graph_step) {
  IndexCall call(input, graph_step);
  const graph::Shape& table = call.views[0].shape;
  call.defines.set("ROWS", table[0]).set("LENGTH", table.elements() / table[0]);
  return call.a_thread_an_element("gather");
}

CudaStep make_pick(const CompileInput& input, const graph::Step& graph_step) {
  IndexCall call(input, graph_step);
  call.defines.set("LENGTH", call.views[0].shape[call.views[0].shape.rank() - 1]);
  return call.a_thread_an_element("pick");
}

CudaStep make_place(const CompileInput& input, const graph::Step& graph_step) {
  IndexCall call(input, graph_step);
  call.defines.set("LENGTH", call.elements / call.views[0].shape.elements());
  return call.a_thread_an_element("place");
}

CudaStep make_scatter_add(const CompileInput& input, const graph::Step& graph_step) {
  IndexCall call(input, graph_step);
  const std::int64_t rows = call.views[0].shape[0];
  const std::int64_t length = call.elements / rows;
  const std::int64_t count = call.views[1].shape.elements();
  Defines& defines = call.defines;
  defines.set("ROWS", rows).set("LENGTH", length).set("COUNT", count).set("U_T", input.type(call.views[2].base));
  if (call.elements * count <= kScanned) return call.a_thread_an_element("scatter_scan");
  const std::int64_t chunks = ceil_div(count, kChunk);
  defines.set("CHUNK", kChunk).set("CHUNKS", chunks);
  CudaStep& step = call.step;
  const auto words = [&](std::int64_t n) { return step.take_scratch(static_cast<std::size_t>(n) * 4); };
  const Place counts = words(chunks * rows), totals = words(rows), starts = words(rows + 1), list = words(count);
  const Place index = call.in(1);
  const auto kernel = [&](const char* name, std::uint32_t pointers, bool cooperates) {
    return KernelSource{name, defines.before(name), pointers, kBlock, 0, cooperates};
  };
  step.launch(kernel("scatter_count", 2, true), chunks, {index, counts});
  step.launch(kernel("scatter_offsets", 2, false), ceil_div(rows, kBlock), {counts, totals});
  step.launch(kernel("scatter_starts", 2, true), 1, {totals, starts});
  step.launch(kernel("scatter_lists", 4, true), chunks, {index, counts, starts, list});
  step.launch(kernel("scatter_sum", 5, true), rows * ceil_div(length, 32),
              {call.in(0), starts, list, call.in(2), call.out()});
  return std::move(step);
}

bool first_may_be_splat(const Graph&, const Node&, std::size_t input, const View& view) {
  return view.is_dense() || (input == 0 && view.is_splat());
}

}  // namespace

const NodeKernel* index_kernel(Op op) {
  static const NodeKernel gather{{nullptr, nullptr, -1}, make_gather};
  static const NodeKernel scatter_add{{nullptr, first_may_be_splat, 0}, make_scatter_add};
  static const NodeKernel pick{{nullptr, nullptr, -1}, make_pick};
  static const NodeKernel place{{nullptr, first_may_be_splat, -1}, make_place};
  switch (op) {
    case Op::gather: return &gather;
    case Op::scatter_add: return &scatter_add;
    case Op::pick: return &pick;
    case Op::place: return &place;
    default: return nullptr;
  }
}

}  // namespace caddie::cuda
