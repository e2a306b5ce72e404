// A graph compiled for the processor: steps in order, the memory plan, and what is tied to names. Changed by nobody
// once it is made; any number of GraphRuns may use it at the same time.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/cpu/host_memory.hpp"
#include "core/cpu/step.hpp"
#include "core/cpu/strided_reader.hpp"

namespace caddie::cpu {

// For f32 and bf16.
constexpr Factors factors_of(graph::Precision precision) {
  return precision == graph::Precision::bf16 ? Factors::bf16 : Factors::f32;
}

class CompiledGraph {
 public:
  struct Options {
    int threads = 1;            // of the pools it will run on
    Factors factors = Factors::f32;
    bool prepares = false;      // operands that are leaves are prepared once and used by many runs
    std::vector<std::string> changing_leaves;  // but not these: they are bound anew for every run
    std::vector<std::string> summed_leaves;    // states that sums over several runs are wanted of
  };
  // A leaf, or an output that is copied when all steps are done.
  struct Binding {
    std::string name;
    graph::Value leaf = 0;  // 0 for an output
    StridedReader from;     // of an output
    std::int64_t elements = 0;
  };
  struct PlacedStep {
    CpuStepPtr step;
    std::size_t scratch = 0;   // offset in the arena
    std::size_t prepared = 0;  // offset in the prepared memory
    std::string scope;
    std::string name;  // its operations
  };
  struct LateWrite {
    graph::Value leaf = 0;
    StridedReader from;
    std::int64_t elements = 0;
    std::ptrdiff_t staged_at = -1;  // offset in the arena
  };

  // Composites without a kernel are taken apart, the rest is simplified before.
  static Result<std::unique_ptr<CompiledGraph>> compile(const graph::Graph& graph, const Options& options);
  // What compile() does first, for those who take the graph apart themselves.
  static Result<graph::Graph> prepared_for_kernels(const graph::Graph& graph);

  [[nodiscard]] const std::vector<PlacedStep>& steps() const { return steps_; }
  [[nodiscard]] const std::vector<Binding>& bindings() const { return bindings_; }
  [[nodiscard]] const std::vector<LateWrite>& late_writes() const { return late_; }
  [[nodiscard]] const graph::MemoryPlan& plan() const { return plan_; }
  [[nodiscard]] const std::vector<graph::Storage>& storage() const { return storage_; }
  [[nodiscard]] const std::vector<void*>& constants() const { return constant_of_; }
  [[nodiscard]] std::size_t thread_bytes() const { return thread_bytes_; }
  [[nodiscard]] std::size_t prepared_bytes() const { return prepared_bytes_; }
  // Steps that may add to a summed leaf instead of writing it: nobody else reads or writes the leaf.
  struct Summing {
    std::string leaf;
    std::size_t step = 0;
  };
  [[nodiscard]] const std::vector<Summing>& summing() const { return summing_; }
  // Place in bindings(), or -1.
  [[nodiscard]] int find(std::string_view name) const;

 private:
  CompiledGraph() = default;
  Result<void> build(const graph::Graph& graph, const Options& options);
  Result<void> make_steps(const CompileInput& input);
  void place(const CompileInput& input);
  Result<void> fill_constants(const CompileInput& input);
  void make_bindings(const CompileInput& input);
  void find_summing(const CompileInput& input, const std::vector<std::string>& leaves);

  std::vector<PlacedStep> steps_;
  std::vector<Binding> bindings_;
  std::vector<Summing> summing_;
  std::vector<LateWrite> late_;
  std::vector<graph::MemoryBlock> blocks_;
  graph::MemoryPlan plan_;
  std::vector<graph::Storage> storage_;
  std::vector<void*> constant_of_;  // by value
  HostMemory constants_;
  std::size_t thread_bytes_ = 0;
  std::size_t prepared_bytes_ = 0;
};

}  // namespace caddie::cpu
