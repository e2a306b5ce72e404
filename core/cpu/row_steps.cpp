// Norms and softmax over the last axis. Rows may stand apart from each other.
#include <optional>

#include "core/cpu/kernels/rowwise.hpp"
#include "core/cpu/node_kernels.hpp"

namespace caddie::cpu {

using graph::Graph;
using graph::Node;
using graph::Op;
using graph::View;

namespace {

// Floats from one row to the next; nullopt when the rows are not evenly apart or their elements not side by side.
std::optional<std::int64_t> row_stride(const View& view) {
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

bool reads_view(const Graph&, const Node&, std::size_t, const View& view) { return row_stride(view).has_value(); }

class RowStep : public CpuStep {
 public:
  RowStep(const CompileInput& input, const graph::Step& step, double flops_per_element) : inputs_(step.inputs) {
    const Node& node = input.graph.nodes()[step.node];
    result_ = step.epilogue ? step.epilogue->result : node.first_output;
    has_addend_ = step.epilogue && step.epilogue->addend.base != 0;
    const graph::Shape& shape = inputs_[0].shape;
    columns_ = shape[shape.rank() - 1];
    rows_ = shape.elements() / columns_;
    epsilon_ = static_cast<float>(node.attributes.real("eps"));
    for (const View& view : inputs_) narrow_inputs_.push_back(input.narrow[view.base]);
    narrow_result_ = input.narrow[result_];
    cost_ = {"norm", flops_per_element * static_cast<double>(shape.elements()), bytes_of_all(input, step)};
  }
  [[nodiscard]] StepCost cost() const override { return cost_; }

 protected:
  [[nodiscard]] Rows rows(const RunContext& context, std::size_t input) const {
    const View& view = inputs_[input];
    const std::int64_t ld = *row_stride(view);
    if (narrow_inputs_[input]) return {nullptr, ld, context.read_narrow(view.base) + view.offset};
    return {context.read(view), ld};
  }
  // What is added to the result, if anything.
  [[nodiscard]] Rows addend(const RunContext& context) const {
    return has_addend_ ? rows(context, inputs_.size() - 1) : Rows{};
  }
  [[nodiscard]] RowsOut result(const RunContext& context) const {
    if (narrow_result_) return {nullptr, columns_, context.write_narrow(result_)};
    return {context.write(result_), columns_};
  }

  std::vector<View> inputs_;
  std::vector<bool> narrow_inputs_;
  bool narrow_result_ = false;
  bool has_addend_ = false;
  graph::Value result_ = 0;
  std::int64_t rows_ = 1;
  std::int64_t columns_ = 1;
  float epsilon_ = 0;
  StepCost cost_;
};

class RmsNormStep final : public RowStep {
 public:
  RmsNormStep(const CompileInput& input, const graph::Step& step) : RowStep(input, step, 4) {}
  void run(const RunContext& context) const override {
    rms_norm_forward(rows_, columns_, rows(context, 0), epsilon_, result(context), context.pool);
  }
};

class RmsNormBackwardStep final : public RowStep {
 public:
  RmsNormBackwardStep(const CompileInput& input, const graph::Step& step) : RowStep(input, step, 10) {}
  void run(const RunContext& context) const override {
    rms_norm_backward(rows_, columns_, rows(context, 0), epsilon_, rows(context, 1), addend(context), result(context),
                      context.pool);
  }
};

class LayerNormStep final : public RowStep {
 public:
  LayerNormStep(const CompileInput& input, const graph::Step& step) : RowStep(input, step, 8) {}
  void run(const RunContext& context) const override {
    layer_norm_forward(rows_, columns_, rows(context, 0), context.read(inputs_[1]), context.read(inputs_[2]), epsilon_,
                       result(context), context.pool);
  }
};

class LayerNormBackwardStep final : public RowStep {
 public:
  LayerNormBackwardStep(const CompileInput& input, const graph::Step& step)
      : RowStep(input, step, 18), sums_(input.graph.nodes()[step.node].first_output + 1),
        wants_sums_(input.is_read(sums_) || input.is_read(sums_ + 1)) {}

  void run(const RunContext& context) const override {
    layer_norm_backward(rows_, columns_, rows(context, 0), context.read(inputs_[1]), epsilon_, rows(context, 2),
                        addend(context), result(context), wants_sums_ ? context.write(sums_) : nullptr,
                        wants_sums_ ? context.write(sums_ + 1) : nullptr, context.pool, context.scratch);
  }
  [[nodiscard]] std::size_t scratch_bytes() const override {
    return wants_sums_ ? round_to_line(layer_norm_backward_workspace_bytes(rows_, columns_)) : 0;
  }

 private:
  graph::Value sums_;  // for the weight, then for the bias
  bool wants_sums_;
};

class SoftmaxStep final : public RowStep {
 public:
  SoftmaxStep(const CompileInput& input, const graph::Step& step) : RowStep(input, step, 20) {}
  void run(const RunContext& context) const override {
    softmax_forward(rows_, columns_, rows(context, 0), result(context), context.pool);
  }
};

class LogSumExpStep final : public RowStep {
 public:
  LogSumExpStep(const CompileInput& input, const graph::Step& step) : RowStep(input, step, 18) {}
  void run(const RunContext& context) const override {
    log_sum_exp(rows_, columns_, rows(context, 0), context.write(result_), context.pool);
  }
};

template <class Step>
CpuStepPtr make(const CompileInput& input, const graph::Step& step) {
  return std::make_unique<Step>(input, step);
}

}  // namespace

bool norm_takes(const graph::Epilogue& e) {
  const bool only_adds = e.activation == graph::Activation::none && e.alpha == 1 && e.scale.base == 0;
  return only_adds && (e.addend.base == 0 || e.beta == 1);
}

const NodeKernel* row_kernel(Op op) {
  static const NodeKernel rms_norm{{nullptr, reads_view, 0}, make<RmsNormStep>};
  static const NodeKernel rms_norm_backward{{nullptr, reads_view, 1}, make<RmsNormBackwardStep>};
  static const NodeKernel layer_norm{{nullptr, reads_view, 0}, make<LayerNormStep>};
  static const NodeKernel layer_norm_backward{{nullptr, reads_view, 2}, make<LayerNormBackwardStep>};
  static const NodeKernel softmax{{nullptr, reads_view, 0}, make<SoftmaxStep>};
  static const NodeKernel log_sum_exp{{nullptr, reads_view, -1}, make<LogSumExpStep>};
  switch (op) {
    case Op::rms_norm: return &rms_norm;
    case Op::rms_norm_backward: return &rms_norm_backward;
    case Op::layer_norm: return &layer_norm;
    case Op::layer_norm_backward: return &layer_norm_backward;
    case Op::softmax: return &softmax;
    case Op::log_sum_exp: return &log_sum_exp;
    default: return nullptr;
  }
}

}  // namespace caddie::cpu
