// attention and attention_backward by tiles. Heads are read where they stand, slices of wider rows included. bfloat16
// goes through tensor cores where its rows can be read in pieces of 16 bytes; everything else through plain sums in
// f32.
#include <algorithm>

#include "core/cuda/kernels/kernel_texts.hpp"
#include "core/cuda/node_kernels.hpp"

namespace caddie::cuda {

using graph::Graph;
using graph::Node;
using graph::Op;
using graph::View;

namespace {

constexpr std::int64_t kTile = 32;
constexpr std::uint32_t kBlock = 256;
constexpr std::int64_t kMmaTile = 64;
constexpr std::uint32_t kMmaBlock = 128;
constexpr std::int64_t kMostChannels = 128;  // whose sums a warp keeps in registers

constexpr std::int64_t kLongestRow = 256;  // what tiles of f32 fit shared memory with

// The kernels align the causal mask to the start of the keys, as the operation's causal = 1; equal to 2 for T = S.
bool fits(const Graph& graph, const Node& node) {
  const bool aligned = node.attributes.integer("causal") != 2 ||
                       graph.shape(node.inputs[0])[1] == graph.shape(node.inputs[1])[1];
  return aligned && graph.shape(node.inputs[0])[3] <= kLongestRow;
}

bool reads_view(const Graph& graph, const Node& node, std::size_t input, const View& view) {
  if (graph.shape(node.inputs[input]).rank() != 4 || view.bounded) return view.is_dense();
  return view.strides[3] == 1 || view.shape[3] == 1;
}

struct AttentionCall {
  const CompileInput& input;
  const Node& node;
  const std::vector<View>& views;
  std::int64_t batch, times, heads, dim, keys, kv_heads;
  bool causal;
  Defines defines;
  CudaStep step;

  AttentionCall(const CompileInput& from, const graph::Step& graph_step, std::size_t segments)
      : input(from), node(from.graph.nodes()[graph_step.node]), views(graph_step.inputs), batch(views[0].shape[0]),
        times(views[0].shape[1]), heads(views[0].shape[2]), dim(views[0].shape[3]), keys(views[1].shape[1]),
        kv_heads(views[1].shape[2]), causal(node.attributes.integer("causal") != 0) {
    defines.set("TILE", kTile).set("TIMES", times).set("HEADS", heads).set("DIM", dim).set("KEYS", keys);
    defines.set("KV_HEADS", kv_heads).set("CAUSAL", causal ? "1" : "0");
    defines.real("SCALE", node.attributes.real("scale")).set("SEGMENTS", views.size() > segments ? "1" : "0");
    set("Q", 0);
    set("K", 1);
    set("V", 2);
  }

  void set(const std::string& name, std::size_t i) {
    const View& view = views[i];
    defines.set(name + "_T", input.type(view.base)).set(name + "_B", view.strides[0]);
    defines.set(name + "_T_STRIDE", view.strides[1]).set(name + "_H", view.strides[2]);
  }
  [[nodiscard]] Place in(std::size_t i) const { return input.place(views[i]); }
  [[nodiscard]] Place out(std::uint32_t i) const { return input.place(node.first_output + i); }
  [[nodiscard]] const char* out_type(std::uint32_t i) const { return input.type(node.first_output + i); }
  // Of so many tiles of [TILE][DIM + 1] and [TILE][TILE + 1] floats.
  [[nodiscard]] std::uint32_t shared(std::int64_t wide, std::int64_t square) const {
    return static_cast<std::uint32_t>((wide * kTile * (dim + 1) + square * kTile * (kTile + 1)) * 4);
  }
  // A tile of bfloat16 is [64][DIM + 8].
  [[nodiscard]] std::uint32_t mma_shared(std::int64_t tiles) const {
    return static_cast<std::uint32_t>(tiles * kMmaTile * (dim + 8) * 2);
  }
  [[nodiscard]] bool fits_mma(std::initializer_list<std::size_t> inputs) const {
    if (dim % 16 != 0 || dim > kMostChannels) return false;
    return std::ranges::all_of(inputs, [&](std::size_t i) {
      const View& view = views[i];
      const bool pieces = view.strides[0] % 8 == 0 && view.strides[1] % 8 == 0 && view.strides[2] % 8 == 0;
      return input.is_narrow(view.base) && pieces && view.offset % 8 == 0;
    });
  }
  // The kernel's launch for tiles of so many rows, plain or by tensor cores.
  void add(const std::string& name, bool mma, std::uint32_t shared_bytes, std::int64_t rows, std::int64_t heads_each,
           std::vector<Place> places) {
    const auto pointers = static_cast<std::uint32_t>(places.size());
    const std::string kernel = mma ? name + "_mma" : name;
    const std::string text =
        defines.before(mma ? "attention_tiles" : "attention_rows") + std::string(kernel_text(kernel));
    step.launch({kernel, text, pointers, mma ? kMmaBlock : kBlock, shared_bytes, true},
                ceil_div(rows, mma ? kMmaTile : kTile) * batch * heads_each, std::move(places));
  }
  [[nodiscard]] double flops() const {
    const double pairs = static_cast<double>(batch * heads) * static_cast<double>(times * keys) * (causal ? 0.5 : 1.0);
    return 4.0 * pairs * static_cast<double>(dim);
  }
};

CudaStep make_forward(const CompileInput& input, const graph::Step& graph_step) {
  AttentionCall call(input, graph_step, 3);
  call.defines.set("Y_T", call.out_type(0));
  std::vector<Place> places{call.in(0), call.in(1), call.in(2), call.out(0), call.out(1)};
  if (call.views.size() > 3) places.push_back(call.in(3));
  const bool mma = call.fits_mma({0, 1, 2});
  call.add("attention_forward", mma, mma ? call.mma_shared(2) : call.shared(3, 1), call.times, call.heads,
           std::move(places));
  call.step.cost = {"attention", call.flops(), bytes_of_all(input, call.node)};
  return std::move(call.step);
}

// q k v y lse dy segments?
CudaStep make_backward(const CompileInput& input, const graph::Step& graph_step) {
  AttentionCall call(input, graph_step, 6);
  CudaStep& step = call.step;
  const std::int64_t rows = call.batch * call.times * call.heads;
  call.set("Y", 3);
  call.set("DY", 5);
  call.defines.set("ROWS", rows).set("DQ_T", call.out_type(0)).set("DK_T", call.out_type(1));
  call.defines.set("DV_T", call.out_type(2));
  const Place delta = step.take_scratch(static_cast<std::size_t>(rows) * 4);
  step.launch({"attention_delta", call.defines.before("attention_delta"), 3, kBlock, 0, true},
              ceil_div(rows, kBlock / 32), {call.in(3), call.in(5), delta});
  std::vector<Place> places{call.in(0), call.in(1), call.in(2), call.in(5), call.in(4), delta};
  std::vector<Place> kv = places;
  kv.insert(kv.end(), {call.out(1), call.out(2)});
  places.push_back(call.out(0));
  if (call.views.size() > 6) {
    kv.push_back(call.in(6));
    places.push_back(call.in(6));
  }
  const bool mma = call.fits_mma({0, 1, 2, 5});
  call.add("attention_backward_kv", mma, mma ? call.mma_shared(4) : call.shared(4, 2), call.keys, call.kv_heads,
           std::move(kv));
  call.add("attention_backward_q", mma, mma ? call.mma_shared(4) : call.shared(4, 1), call.times, call.heads,
           std::move(places));
  step.cost = {"attention", 3.5 * call.flops(), bytes_of_all(input, call.node)};
  return std::move(step);
}

}  // namespace

const NodeKernel* attention_kernel(Op op) {
  static const NodeKernel forward{{fits, reads_view, -1}, make_forward};
  static const NodeKernel backward{{fits, reads_view, -1}, make_backward};
  if (op == Op::attention) return &forward;
  return op == Op::attention_backward ? &backward : nullptr;
}

}  // namespace caddie::cuda
