// Cross-entropy from logits, or fused with the linear map before it: then the logits of some rows at a time stand in
// scratch, never all of them. Whole rows, so that the vocabulary is read once and sums need no second pass.
//
// A target outside [0, V) has a logit of 0 in the operation, so its nll is the log-sum-exp.
#include <fmt/format.h>

#include <algorithm>

#include "core/cuda/kernels/kernel_texts.hpp"
#include "core/cuda/node_kernels.hpp"

namespace caddie::cuda {

using graph::Graph;
using graph::Node;
using graph::Op;
using graph::View;

namespace {

constexpr std::int64_t kLogits = std::int64_t{1} << 25;  // of the rows that stand in scratch at a time

struct LossCall {
  const CompileInput& input;
  const Node& node;
  const std::vector<View>& views;
  std::size_t targets;  // which input; numbers of rows follow it
  std::int64_t rows, vocab, dim = 0;
  Defines defines;
  CudaStep step;

  LossCall(const CompileInput& from, const graph::Step& graph_step, std::size_t targets_at)
      : input(from), node(from.graph.nodes()[graph_step.node]), views(graph_step.inputs), targets(targets_at),
        rows(views[targets].shape.elements()),
        vocab(targets == 1 ? views[0].shape[views[0].shape.rank() - 1] : views[1].shape[0]) {
    const double cap = targets == 2 ? node.attributes.real("cap") : 0;
    if (targets == 2) dim = views[1].shape[1];
    defines.set("VOCAB", vocab);
    if (cap > 0) {
      defines.real("CAP", cap);
      defines.set("SOFTCAP(u)", "(CAP * tanhf((u) / CAP))");
      defines.set("SOFTCAP_SLOPE(u)", "(1.0f - tanhf((u) / CAP) * tanhf((u) / CAP))");
    } else {
      defines.set("SOFTCAP(u)", "(u)").set("SOFTCAP_SLOPE(u)", "1.0f");
    }
    const double all = static_cast<double>(rows) * static_cast<double>(vocab);
    step.cost = {"loss", all * (20.0 + 2.0 * static_cast<double>(dim)), bytes_of_all(input, node)};
  }

  [[nodiscard]] Place in(std::size_t i) const { return input.place(views[i]); }
  [[nodiscard]] Place out(std::uint32_t i) const { return input.place(node.first_output + i); }
  // Operands of products; made bfloat16 before where products want it.
  [[nodiscard]] Place operand(std::size_t i) const {
    if (!input.narrow_products || input.is_narrow(views[i].base)) return in(i);
    return {Space::shadow, views[i].base, views[i].offset * 2};
  }
  [[nodiscard]] std::int64_t operand_width() const { return input.narrow_products ? 2 : 4; }
  // Rows whose logits are made at a time; a multiple of 8, so that every piece is aligned.
  [[nodiscard]] std::int64_t rows_at_once() const {
    return std::min(rows, std::max<std::int64_t>(kLogits / vocab / 8 * 8, 8));
  }
  void add_logits(const Place& x, const Place& logits, std::int64_t count) {
    add_product(step, {.m = count, .n = vocab, .k = dim, .b_transposed = true, .narrow = input.narrow_products}, x,
                operand(1), logits);
  }
  [[nodiscard]] std::uint32_t block() const { return row_block(vocab); }
};

CudaStep make_forward(const CompileInput& input, const graph::Step& graph_step, std::size_t targets) {
  LossCall call(input, graph_step, targets);
  call.defines.set("X_T", targets == 1 ? input.type(call.views[0].base) : "float");
  const auto rows = [&](const Place& logits, std::int64_t first, std::int64_t count) {
    call.step.launch({"cross_entropy", call.defines.before("cross_entropy"), 5, call.block(), 0, true}, count,
                     {logits, call.in(targets).behind(first * 4), call.out(0).behind(first * 4),
                      call.out(1).behind(first * 4), call.out(2).behind(first * 4)});
  };
  if (targets == 1) {
    rows(call.in(0), 0, call.rows);
    return std::move(call.step);
  }
  const std::int64_t each = call.rows_at_once();
  const Place logits = call.step.take_scratch(static_cast<std::size_t>(each * call.vocab) * 4);
  for (std::int64_t first = 0; first < call.rows; first += each) {
    const std::int64_t count = std::min(each, call.rows - first);
    call.add_logits(call.operand(0).behind(first * call.dim * call.operand_width()), logits, count);
    rows(logits, first, count);
  }
  return std::move(call.step);
}

CudaStep make_backward(const CompileInput& input, const graph::Step& graph_step, std::size_t targets) {
  LossCall call(input, graph_step, targets);
  CudaStep& step = call.step;
  const bool narrow = targets == 2 && input.narrow_products;
  call.defines.set("X_T", targets == 1 ? input.type(call.views[0].base) : "float");
  call.defines.set("Y_T", targets == 1 ? input.type(call.node.first_output) : narrow ? "bf16" : "float");
  std::int64_t strides[5];
  for (std::size_t i = 0; i < 5; ++i) {
    static constexpr const char* kNames[] = {"LSE", "ENTROPY", "D_NLL", "D_LSE", "D_ENTROPY"};
    const View& view = call.views[targets + 1 + i];
    strides[i] = view.is_dense() ? 1 : 0;
    call.defines.set(fmt::format("{}_STRIDE", kNames[i]), strides[i]);
  }
  const auto rows = [&](const Place& logits, const Place& slopes, std::int64_t first, std::int64_t count) {
    std::vector<Place> places{logits, call.in(targets).behind(first * 4)};
    for (std::size_t i = 0; i < 5; ++i) places.push_back(call.in(targets + 1 + i).behind(first * 4 * strides[i]));
    places.push_back(slopes);
    step.launch({"cross_entropy_backward", call.defines.before("cross_entropy_backward"), 8, call.block(), 0, false},
                count, std::move(places));
  };
  if (targets == 1) {
    rows(call.in(0), call.out(0), 0, call.rows);
    return std::move(step);
  }
  step.cost.flops *= 3;
  const std::int64_t each = call.rows_at_once();
  const Place logits = step.take_scratch(static_cast<std::size_t>(each * call.vocab) * 4);
  const Place slopes = narrow ? step.take_scratch(static_cast<std::size_t>(each * call.vocab) * 2) : logits;
  const bool wants_dx = input.is_read(call.node.first_output);
  const bool wants_dw = input.is_read(call.node.first_output + 1);
  const std::int64_t dx_width = input.width(call.node.first_output);
  for (std::int64_t first = 0; first < call.rows; first += each) {
    const std::int64_t count = std::min(each, call.rows - first);
    const Place x = call.operand(0).behind(first * call.dim * call.operand_width());
    call.add_logits(x, logits, count);
    rows(logits, slopes, first, count);
    if (wants_dx) {
      add_product(step,
                  {.m = count, .n = call.dim, .k = call.vocab, .narrow = narrow,
                   .narrow_result = input.is_narrow(call.node.first_output)},
                  slopes, call.operand(1), call.out(0).behind(first * call.dim * dx_width));
    }
    if (wants_dw) {
      add_product(step,
                  {.m = call.vocab, .n = call.dim, .k = count, .a_transposed = true, .narrow = narrow,
                   .accumulates = first > 0},
                  slopes, x, call.out(1));
    }
  }
  return std::move(step);
}

template <std::size_t kTargets, bool kBackward>
CudaStep make(const CompileInput& input, const graph::Step& step) {
  return kBackward ? make_backward(input, step, kTargets) : make_forward(input, step, kTargets);
}

// Numbers of rows behind the targets may all be one.
template <std::size_t kTargets>
bool reads_view(const Graph&, const Node&, std::size_t input, const View& view) {
  return view.is_dense() || (input > kTargets && view.is_splat());
}

}  // namespace

const NodeKernel* loss_kernel(Op op) {
  static const NodeKernel forward{{nullptr, nullptr, -1}, make<1, false>};
  static const NodeKernel backward{{nullptr, reads_view<1>, 0}, make<1, true>};
  static const NodeKernel head_forward{{nullptr, nullptr, -1}, make<2, false>};
  static const NodeKernel head_backward{{nullptr, reads_view<2>, -1}, make<2, true>};
  switch (op) {
    case Op::cross_entropy: return &forward;
    case Op::cross_entropy_backward: return &backward;
    case Op::linear_cross_entropy: return &head_forward;
    case Op::linear_cross_entropy_backward: return &head_backward;
    default: return nullptr;
  }
}

}  // namespace caddie::cuda
