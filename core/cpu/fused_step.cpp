#include "core/cpu/fused_step.hpp"

#include <algorithm>
#include <optional>

#include "core/cpu/fused_reduction.hpp"
#include "core/cpu/strip_program.hpp"

namespace caddie::cpu {

using graph::Op;

namespace {

constexpr std::int64_t kElementsPerTask = 16384;
constexpr std::int64_t kMostTasks = 64;

StepCost cost_of(const CompileInput& input, const graph::FusedGroup& group) {
  StepCost cost;
  bool computes = false;
  bool reduces = false;
  for (const graph::View& view : group.inputs) {
    const auto elements = std::min(view.shape.elements(), input.graph.shape(view.base).elements());
    cost.bytes += (input.narrow[view.base] ? 2.0 : 4.0) * static_cast<double>(elements);
  }
  for (const graph::GroupMember& member : group.members) {
    const graph::Node& node = input.graph.nodes()[member.node];
    cost.flops += flops_per_element(node.op) * static_cast<double>(group.elements);
    const auto made = static_cast<double>(input.graph.shape(node.first_output).elements());
    if (member.stored) cost.bytes += (input.narrow[node.first_output] ? 2.0 : 4.0) * made;
    reduces = reduces || graph::is_reduction(node.op);
    computes = computes || !graph::moves_only(input.graph, node);
  }
  cost.group = reduces ? "reduce" : computes ? "elementwise" : "copy";
  return cost;
}

class FusedStep final : public CpuStep {
 public:
  FusedStep(const CompileInput& input, const graph::FusedGroup& group)
      : program_(input, group), elements_(group.elements), cost_(cost_of(input, group)) {
    if (!group.reduction.empty()) reduction_.emplace(input, group, program_.strip_length());
    const std::int64_t strips = (elements_ + program_.strip_length() - 1) / program_.strip_length();
    tasks_ = std::min(strips, std::clamp<std::int64_t>(elements_ / kElementsPerTask, 1, kMostTasks));
  }

  void run(const RunContext& context) const override {
    if (reduction_) return reduction_->run(program_, context);
    const std::int64_t length = program_.strip_length();
    const std::int64_t strips = (elements_ + length - 1) / length;
    context.pool.run(tasks_, [&](std::int64_t task, int thread) {
      for (std::int64_t strip = strips * task / tasks_; strip < strips * (task + 1) / tasks_; ++strip) {
        const std::int64_t count = std::min(length, elements_ - strip * length);
        program_.evaluate(context, context.thread_space[thread], strip * length, count);
        program_.store(context, context.thread_space[thread], strip * length, count);
      }
    });
  }

  [[nodiscard]] StepCost cost() const override { return cost_; }
  [[nodiscard]] std::size_t thread_bytes() const override { return program_.space_bytes(); }
  [[nodiscard]] std::size_t scratch_bytes() const override { return reduction_ ? reduction_->scratch_bytes() : 0; }

 private:
  StripProgram program_;
  std::optional<ReductionWalk> reduction_;
  std::int64_t elements_;
  std::int64_t tasks_ = 1;
  StepCost cost_;
};

// A copy whose elements stand side by side in memory along another axis than in the result: by tiles.
class TransposeStep final : public CpuStep {
 public:
  TransposeStep(const CompileInput& input, const graph::FusedGroup& group, const StridedReader& reader)
      : reader_(reader),
        value_(input.graph.nodes()[group.members[0].node].first_output),
        cost_(cost_of(input, group)) {}

  void run(const RunContext& context) const override {
    context.pool.run(reader_.parts(), [&](std::int64_t part) {
      reader_.copy_part(context.read(reader_.base()), part, context.write(value_));
    });
  }
  [[nodiscard]] StepCost cost() const override { return cost_; }

 private:
  StridedReader reader_;
  graph::Value value_;
  StepCost cost_;
};

}  // namespace

double flops_per_element(Op op) {
  switch (op) {
    case Op::exp:
    case Op::log:
    case Op::sin:
    case Op::cos:
    case Op::tanh:
    case Op::sigmoid:
    case Op::pow: return 16;
    case Op::random_uniform: return 24;
    case Op::random_normal: return 60;
    case Op::reshape:
    case Op::transpose:
    case Op::broadcast:
    case Op::slice:
    case Op::pad:
    case Op::concat:
    case Op::reverse:
    case Op::stop_gradient:
    case Op::iota: return 0;
    default: return 1;
  }
}

CpuStepPtr make_fused_step(const CompileInput& input, const graph::FusedGroup& group) {
  if (group.members.size() == 1 && graph::moves_only(input.graph, input.graph.nodes()[group.members[0].node])) {
    const StridedReader reader(group.inputs[0], input.graph.dtype(group.inputs[0].base));
    if (reader.is_transposed()) return std::make_unique<TransposeStep>(input, group, reader);
  }
  return std::make_unique<FusedStep>(input, group);
}

}  // namespace caddie::cpu
