// Kernels of plugins. Their parts are cut into tasks by shape alone, so that any number of threads gives the same bits.
#include <algorithm>
#include <array>

#include "core/cpu/node_kernels.hpp"
#include "core/graph/custom.hpp"

namespace caddie::cpu {

using graph::CustomKernel;

namespace {

constexpr std::int64_t kElementsPerTask = 16384;
constexpr std::int64_t kMostTasks = 64;

class CustomStep final : public CpuStep {
 public:
  CustomStep(const CompileInput& input, const graph::Step& step)
      : kernel_(input.graph.nodes()[step.node].custom), inputs_(step.inputs) {
    const graph::Node& node = input.graph.nodes()[step.node];
    first_output_ = node.first_output;
    bytes_ = bytes_of_all(input, step);
    const auto elements = static_cast<std::int64_t>(bytes_ / 4);
    tasks_ = std::min(kernel_->form().parts, std::clamp<std::int64_t>(elements / kElementsPerTask, 1, kMostTasks));
  }

  void run(const RunContext& context) const override {
    std::array<const void*, graph::kMostCustomInputs> inputs{};
    std::array<void*, graph::kMostCustomOutputs> outputs{};
    for (std::size_t i = 0; i < inputs_.size(); ++i) inputs[i] = context.read(inputs_[i]);
    const std::size_t output_count = kernel_->form().outputs.size();
    for (std::size_t i = 0; i < output_count; ++i)
      outputs[i] = context.memory[first_output_ + static_cast<graph::Value>(i)];
    const std::int64_t parts = kernel_->form().parts;
    context.pool.run(tasks_, [&](std::int64_t task, int thread) {
      const auto done = kernel_->compute({.inputs = std::span(inputs).first(inputs_.size()),
                                          .outputs = std::span(outputs).first(output_count),
                                          .begin = parts * task / tasks_,
                                          .end = parts * (task + 1) / tasks_,
                                          .scratch = context.thread_space[thread]});
      if (!done) context.failure.keep(done.error());
    });
  }
  [[nodiscard]] StepCost cost() const override { return {"custom", 0, bytes_}; }
  [[nodiscard]] std::size_t thread_bytes() const override { return kernel_->form().scratch_bytes; }

 private:
  std::shared_ptr<const CustomKernel> kernel_;
  std::vector<graph::View> inputs_;
  graph::Value first_output_ = 0;
  std::int64_t tasks_ = 1;
  double bytes_ = 0;
};

}  // namespace

const NodeKernel* custom_kernel(graph::Op op) {
  static const NodeKernel custom{{nullptr, nullptr, -1},
                                 [](const CompileInput& input, const graph::Step& step) -> CpuStepPtr {
                                   return std::make_unique<CustomStep>(input, step);
                                 }};
  return op == graph::Op::custom ? &custom : nullptr;
}

}  // namespace caddie::cpu
