// A graph compiled for the device: steps as commands in order, kernels and products known to the device, the memory
// plan, and what is tied to names. Changed by nobody once it is made. One thread at a time, like the device.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/cuda/step.hpp"

namespace caddie::cuda {

class CompiledGraph {
 public:
  // A leaf, or an output that is copied when all steps are done.
  struct Binding {
    std::string name;
    graph::Value leaf = 0;  // 0 for an output
    std::int64_t elements = 0;
    std::size_t output_step = 0;  // of an output: place in output_steps()
    bool updated = false;         // a leaf that runs write
  };
  struct PlacedStep {
    std::vector<Command> commands;  // kernels by the device's ids
    std::size_t scratch = 0;        // offset in the arena
    StepCost cost;
    std::string scope;
    std::string name;  // its operations
  };

  // Composites without a kernel are taken apart, the rest is simplified before.
  static Result<std::unique_ptr<CompiledGraph>> compile(const graph::Graph& graph, graph::Precision precision,
                                                        Device& device);

  [[nodiscard]] const std::vector<PlacedStep>& steps() const { return steps_; }
  // Then outputs that are tied to memory are copied, then leaves are written whose new value could not be made in
  // place.
  [[nodiscard]] const std::vector<PlacedStep>& output_steps() const { return output_steps_; }
  [[nodiscard]] const PlacedStep& before_outputs() const { return before_outputs_; }
  [[nodiscard]] const PlacedStep& after_outputs() const { return after_outputs_; }
  [[nodiscard]] const std::vector<Binding>& bindings() const { return bindings_; }
  [[nodiscard]] const graph::MemoryPlan& plan() const { return plan_; }
  [[nodiscard]] const std::vector<graph::Storage>& storage() const { return storage_; }
  // Offset in the arena of a value kept there, and of a value's copy in bfloat16.
  [[nodiscard]] std::size_t arena_offset(graph::Value value) const { return plan_.offsets[storage_[value].block]; }
  [[nodiscard]] std::size_t shadow_offset(graph::Value value) const { return plan_.offsets[shadow_block_[value]]; }
  // Offset of a constant in the device's constants.
  [[nodiscard]] std::size_t constant_offset(graph::Value value) const { return constant_offset_[value]; }
  [[nodiscard]] const DeviceMemoryPtr& constants() const { return constants_; }
  // Place in bindings(), or -1.
  [[nodiscard]] int find(std::string_view name) const;

 private:
  // Steps as they were made: their kernels are still their own, their scratch has no place.
  struct Unplaced {
    std::vector<CudaStep> steps, outputs;
    CudaStep before, after;  // of the outputs
  };

  CompiledGraph() = default;
  Result<void> build(const graph::Graph& graph, graph::Precision precision, Device& device);
  Result<std::vector<CudaStep>> make_steps(const CompileInput& input);
  void make_shadows(const CompileInput& input, std::vector<CudaStep>& steps);
  void make_bindings(const CompileInput& input, std::vector<CudaStep>& outputs);
  Result<PlacedStep> finished(CudaStep step, std::uint32_t number, Device& device);
  Result<void> load_kernels(Unplaced& parts, Device& device);
  Result<void> place(const CompileInput& input, Unplaced& parts, Device& device);
  Result<void> fill_constants(const CompileInput& input, Device& device);

  std::vector<PlacedStep> steps_, output_steps_;
  PlacedStep before_outputs_, after_outputs_;
  std::vector<Binding> bindings_;
  std::vector<graph::MemoryBlock> blocks_;
  graph::MemoryPlan plan_;
  std::vector<graph::Storage> storage_;
  std::vector<std::uint32_t> shadow_block_;     // by value
  std::vector<std::size_t> constant_offset_;    // by value
  DeviceMemoryPtr constants_;
};

}  // namespace caddie::cuda
