// Norms and softmax over the last axis. Rows may stand apart from each other.
#include <algorithm>
#include <cmath>
#include <optional>

#include "core/cpu/kernels/rowwise.hpp"
#include "core/cpu/node_kernels.hpp"
#include "core/cpu/strips/strips.hpp"

namespace caddie::cpu {

using graph::Graph;
using graph::Node;
using graph::Op;
using graph::View;

namespace {

constexpr std::int64_t kRowsPerTask = 32;

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
    result_ = node.first_output;
    const graph::Shape& shape = inputs_[0].shape;
    columns_ = shape[shape.rank() - 1];
    rows_ = shape.elements() / columns_;
    epsilon_ = static_cast<float>(node.attributes.real("eps"));
    cost_ = {"norm", flops_per_element * static_cast<double>(shape.elements()), bytes_of_all(input.graph, node)};
  }
  [[nodiscard]] StepCost cost() const override { return cost_; }

 protected:
  [[nodiscard]] Rows rows(const RunContext& context, std::size_t input) const {
    return {context.read(inputs_[input]), *row_stride(inputs_[input])};
  }
  [[nodiscard]] RowsOut result(const RunContext& context) const { return {context.write(result_), columns_}; }

  std::vector<View> inputs_;
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
    rms_norm_forward(rows_, columns_, rows(context, 0), nullptr, epsilon_, result(context), nullptr, context.pool);
  }
};

// The kernel wants 1/rms of each row; some rows at a time, it is computed while they are in the cache.
class RmsNormBackwardStep final : public RowStep {
 public:
  RmsNormBackwardStep(const CompileInput& input, const graph::Step& step)
      : RowStep(input, step, 10), mul_(strip_function(StripOp::mul)), sum_(strip_reduction(Reduce::sum)) {}

  void run(const RunContext& context) const override {
    const Rows x = rows(context, 0);
    const Rows dy = rows(context, 1);
    const std::int64_t tasks = (rows_ + kRowsPerTask - 1) / kRowsPerTask;
    context.pool.run(tasks, [&](std::int64_t task, int thread) {
      auto* rstd = reinterpret_cast<float*>(context.thread_space[thread]);
      float* squares = rstd + kRowsPerTask;
      const std::int64_t first = task * kRowsPerTask;
      const std::int64_t count = std::min(kRowsPerTask, rows_ - first);
      for (std::int64_t i = 0; i < count; ++i) {
        const float* row = x.data + (first + i) * x.ld;
        mul_(squares, row, row, nullptr, columns_, 0);
        rstd[i] = 1.0F / std::sqrt(sum_.reduce(squares, columns_) / static_cast<float>(columns_) + epsilon_);
      }
      const RowsOut dx{context.write(result_) + first * columns_, columns_};
      rms_norm_backward(count, columns_, {x.data + first * x.ld, x.ld}, nullptr, rstd, {dy.data + first * dy.ld, dy.ld},
                        dx, nullptr, context.pool, nullptr);
    });
  }
  [[nodiscard]] std::size_t thread_bytes() const override {
    return round_to_line(static_cast<std::size_t>(kRowsPerTask + columns_) * sizeof(float));
  }

 private:
  StripFunction mul_;
  StripReduction sum_;
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

const NodeKernel* row_kernel(Op op) {
  static const NodeKernel rms_norm{{nullptr, reads_view, 0}, make<RmsNormStep>};
  static const NodeKernel rms_norm_backward{{nullptr, reads_view, 1}, make<RmsNormBackwardStep>};
  static const NodeKernel softmax{{nullptr, reads_view, 0}, make<SoftmaxStep>};
  static const NodeKernel log_sum_exp{{nullptr, reads_view, -1}, make<LogSumExpStep>};
  switch (op) {
    case Op::rms_norm: return &rms_norm;
    case Op::rms_norm_backward: return &rms_norm_backward;
    case Op::softmax: return &softmax;
    case Op::log_sum_exp: return &log_sum_exp;
    default: return nullptr;
  }
}

}  // namespace caddie::cpu
