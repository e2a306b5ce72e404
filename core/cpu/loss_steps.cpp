// Cross-entropy from logits or fused with the linear map before it.
//
// A target outside [0, V) has a logit of 0 in the operation, so its nll is the log-sum-exp. The kernels know only
// "no target" (negative): such rows get their nll here, and their gradient through that of the log-sum-exp.
#include <algorithm>

#include "core/cpu/kernels/cross_entropy.hpp"
#include "core/cpu/kernels/gemm.hpp"
#include "core/cpu/node_kernels.hpp"
#include "core/cpu/strips/strips.hpp"

namespace caddie::cpu {

using graph::Graph;
using graph::Node;
using graph::Op;
using graph::Value;
using graph::View;

namespace {

class LossStep : public CpuStep {
 public:
  LossStep(const CompileInput& input, const graph::Step& step, std::size_t targets)
      : inputs_(step.inputs), targets_(targets) {
    const Node& node = input.graph.nodes()[step.node];
    result_ = node.first_output;
    rows_ = inputs_[targets].shape.elements();
    bytes_ = bytes_of_all(input, step);
    if (targets == 1) {
      vocab_ = inputs_[0].shape[inputs_[0].shape.rank() - 1];
      return;
    }
    vocab_ = inputs_[1].shape[0];
    head_.factors = input.factors;
    head_.rows = rows_;
    head_.dim = inputs_[1].shape[1];
    head_.vocab = vocab_;
    head_.ldx = head_.ldw = head_.dim;
    head_.cap = static_cast<float>(node.attributes.real("cap"));
    if (!input.steady[inputs_[1].base]) return;
    static constexpr float kPacked = 0;  // only whether there is some counts for the workspace
    head_.w_forward = head_.w_backward = &kPacked;
    forward_bytes_ = packed_b_bytes(head_.factors, head_.dim, head_.vocab);
  }
  [[nodiscard]] std::size_t prepared_bytes() const override { return forward_bytes_ + backward_bytes_; }
  void prepare(const RunContext& context) const override {
    const float* w = context.read(inputs_[1]);
    if (forward_bytes_ > 0) {
      pack_b(head_.factors, {w, head_.ldw, true, 0}, head_.dim, head_.vocab, context.pool,
             reinterpret_cast<float*>(context.prepared));
    }
    if (backward_bytes_ > 0) {
      pack_b(head_.factors, {w, head_.ldw, false, 0}, head_.vocab, head_.dim, context.pool,
             reinterpret_cast<float*>(context.prepared + forward_bytes_));
    }
  }

 protected:
  [[nodiscard]] std::size_t row_bytes() const { return round_to_line(static_cast<std::size_t>(rows_) * sizeof(float)); }

  [[nodiscard]] bool has_target(std::int32_t target) const { return target >= 0 && target < vocab_; }

  // Targets as the kernels take them.
  const std::int32_t* kernel_targets(const RunContext& context, std::byte* space) const {
    const std::int32_t* given = context.read_i32(inputs_[targets_]);
    auto* out = reinterpret_cast<std::int32_t*>(space);
    for (std::int64_t i = 0; i < rows_; ++i) out[i] = has_target(given[i]) ? given[i] : -1;
    return out;
  }

  [[nodiscard]] Head head(const RunContext& context, const std::int32_t* targets) const {
    Head head = head_;
    head.x = context.read(inputs_[0]);
    head.w = context.read(inputs_[1]);
    head.targets = targets;
    if (forward_bytes_ > 0) {
      head.w_forward = reinterpret_cast<const float*>(context.prepared);
      head.w_backward = reinterpret_cast<const float*>(context.prepared + forward_bytes_);
    }
    return head;
  }

  [[nodiscard]] double head_flops() const {
    return 2.0 * static_cast<double>(rows_) * static_cast<double>(vocab_) * static_cast<double>(head_.dim);
  }

  std::vector<View> inputs_;
  std::size_t targets_;
  Value result_ = 0;
  std::int64_t rows_ = 0;
  std::int64_t vocab_ = 0;
  Head head_{};
  std::size_t forward_bytes_ = 0;   // of w packed for the logits
  std::size_t backward_bytes_ = 0;  // and for the gradient of x
  double bytes_ = 0;
};

class ForwardStep final : public LossStep {
 public:
  ForwardStep(const CompileInput& input, const graph::Step& step, std::size_t targets)
      : LossStep(input, step, targets), wants_entropy_(input.is_read(result_ + 2)) {
    if (targets_ == 2) workspace_ = head_forward_workspace_bytes(head_, input.threads);
  }

  void run(const RunContext& context) const override {
    const std::int32_t* targets = kernel_targets(context, context.scratch);
    TokenLosses losses{context.write(result_), context.write(result_ + 1),
                       wants_entropy_ ? context.write(result_ + 2) : nullptr};
    if (targets_ == 1) {
      cross_entropy_forward(context.read(inputs_[0]), vocab_, rows_, vocab_, targets, losses, context.pool);
    } else {
      head_forward(head(context, targets), losses, nullptr, context.pool, context.scratch + row_bytes());
    }
    for (std::int64_t i = 0; i < rows_; ++i) {
      if (targets[i] < 0) losses.nll[i] = losses.lse[i];
    }
  }
  [[nodiscard]] std::size_t scratch_bytes() const override { return row_bytes() + workspace_; }
  [[nodiscard]] StepCost cost() const override {
    const double rows = 20.0 * static_cast<double>(rows_) * static_cast<double>(vocab_);
    return {"loss", rows + (targets_ == 2 ? head_flops() : 0), bytes_};
  }

 private:
  bool wants_entropy_;
  std::size_t workspace_ = 0;
};

class BackwardStep final : public LossStep {
 public:
  BackwardStep(const CompileInput& input, const graph::Step& step, std::size_t targets)
      : LossStep(input, step, targets) {
    if (targets_ == 2) workspace_ = head_backward_workspace_bytes(head_, input.threads);
    wants_dx_ = input.is_read(result_);
    wants_dw_ = targets_ == 2 && input.is_read(result_ + 1);
    if (forward_bytes_ > 0) backward_bytes_ = packed_b_bytes(head_.factors, head_.vocab, head_.dim);
  }

  void run(const RunContext& context) const override {
    std::byte* space = context.scratch;
    const std::int32_t* targets = kernel_targets(context, space);
    TokenSlopes slopes;
    slopes.lse = rows_of(context, 1, space + row_bytes());
    slopes.entropy = rows_of(context, 2, space + 2 * row_bytes());
    slopes.d_nll = rows_of(context, 3, space + 3 * row_bytes());
    slopes.d_lse =
        with_untargeted(targets, slopes.d_nll, rows_of(context, 4, space + 4 * row_bytes()), space + 4 * row_bytes());
    slopes.d_entropy = rows_of(context, 5, space + 5 * row_bytes());
    if (slopes.d_entropy != nullptr && slopes.entropy == nullptr) slopes.entropy = zeros(space + 2 * row_bytes());
    if (slopes.lse == nullptr) slopes.lse = zeros(space + row_bytes());
    if (targets_ == 1) {
      cross_entropy_backward(context.read(inputs_[0]), vocab_, rows_, vocab_, targets, slopes, context.write(result_),
                             vocab_, context.pool);
    } else {
      HeadGradients out;
      if (wants_dx_) out.dx = context.write(result_);
      if (wants_dw_) out.dw = context.write(result_ + 1);
      out.lddx = out.lddw = head_.dim;
      head_backward(head(context, targets), slopes, nullptr, out, context.pool, space + 6 * row_bytes());
    }
  }
  [[nodiscard]] std::size_t scratch_bytes() const override { return 6 * row_bytes() + workspace_; }
  [[nodiscard]] StepCost cost() const override {
    const double rows = 20.0 * static_cast<double>(rows_) * static_cast<double>(vocab_);
    return {"loss", rows + (targets_ == 2 ? 3 * head_flops() : 0), bytes_};
  }

 private:
  // The input `after` places behind the targets, one number a row; null when all are 0.
  const float* rows_of(const RunContext& context, std::size_t after, std::byte* space) const {
    const View& view = inputs_[targets_ + after];
    const float* data = context.read(view);
    if (view.is_dense()) return data;
    if (*data == 0) return nullptr;
    auto* out = reinterpret_cast<float*>(space);
    fill_strip(out, *data, rows_);
    return out;
  }

  [[nodiscard]] const float* zeros(std::byte* space) const {
    auto* out = reinterpret_cast<float*>(space);
    fill_strip(out, 0, rows_);
    return out;
  }

  // d_lse, and d_nll too where a row has no target.
  const float* with_untargeted(const std::int32_t* targets, const float* d_nll, const float* d_lse,
                               std::byte* space) const {
    if (d_nll == nullptr || std::all_of(targets, targets + rows_, [](std::int32_t t) { return t >= 0; })) return d_lse;
    auto* out = reinterpret_cast<float*>(space);
    for (std::int64_t i = 0; i < rows_; ++i) {
      out[i] = (d_lse != nullptr ? d_lse[i] : 0.0F) + (targets[i] < 0 ? d_nll[i] : 0.0F);
    }
    return out;
  }

  std::size_t workspace_ = 0;
  bool wants_dx_ = true;
  bool wants_dw_ = true;
};

template <class Step, std::size_t kTargets>
CpuStepPtr make(const CompileInput& input, const graph::Step& step) {
  return std::make_unique<Step>(input, step, kTargets);
}

// Numbers of rows behind the targets may all be one.
template <std::size_t kTargets>
bool reads_view(const Graph&, const Node&, std::size_t input, const View& view) {
  return view.is_dense() || (input > kTargets && view.is_splat());
}

}  // namespace

const NodeKernel* loss_kernel(Op op) {
  static const NodeKernel forward{{nullptr, nullptr, -1}, make<ForwardStep, 1>};
  static const NodeKernel backward{{nullptr, reads_view<1>, 0}, make<BackwardStep, 1>};
  static const NodeKernel head_forward{{nullptr, nullptr, -1}, make<ForwardStep, 2>};
  static const NodeKernel head_backward{{nullptr, reads_view<2>, -1}, make<BackwardStep, 2>};
  switch (op) {
    case Op::cross_entropy: return &forward;
    case Op::cross_entropy_backward: return &backward;
    case Op::linear_cross_entropy: return &head_forward;
    case Op::linear_cross_entropy_backward: return &head_backward;
    default: return nullptr;
  }
}

}  // namespace caddie::cpu
