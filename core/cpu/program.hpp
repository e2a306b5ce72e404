// A graph compiled for the processor: steps in order, the memory plan, and what is tied to names.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/cpu/host_memory.hpp"
#include "core/cpu/step.hpp"
#include "core/cpu/strided_reader.hpp"
#include "core/cpu/thread_pool.hpp"

namespace caddie::cpu {

class CpuProgram final : public graph::Program {
 public:
  static Result<std::unique_ptr<CpuProgram>> compile(const graph::Graph& graph, std::shared_ptr<ThreadPool> pool,
                                                     bool profile);

  Result<void> bind(std::string_view name, const graph::BufferView& view) override;
  Result<void> run(const graph::RunKey& key) override;
  [[nodiscard]] std::size_t arena_bytes() const override { return plan_.arena_bytes; }
  [[nodiscard]] std::size_t live_bytes() const override { return plan_.live_bytes; }
  [[nodiscard]] std::vector<graph::ProfileEntry> profile() override;

 private:
  // A leaf, or an output that is copied when all steps are done.
  struct Binding {
    std::string name;
    graph::Value leaf = 0;  // 0 for an output
    StridedReader from;     // of an output
    std::int64_t elements = 0;
    graph::BufferPtr buffer;
    std::byte* memory = nullptr;
  };
  struct Timed {
    CpuStepPtr step;
    std::size_t scratch = 0;  // offset in the arena
    std::string scope;
    double seconds = 0;
    std::uint64_t runs = 0;
  };
  struct LateWrite {
    graph::Value leaf = 0;
    StridedReader from;
    std::int64_t elements = 0;
    std::ptrdiff_t staged_at = -1;  // offset in the arena
  };

  CpuProgram(std::shared_ptr<ThreadPool> pool, bool profile) : pool_(std::move(pool)), profile_(profile) {}
  Result<void> build(const graph::Graph& graph);
  Result<void> make_steps(const CompileInput& input);
  Result<void> allocate(const CompileInput& input);
  Result<void> fill_constants(const CompileInput& input);
  void make_bindings(const CompileInput& input);
  [[nodiscard]] Binding* find(std::string_view name);
  [[nodiscard]] Result<void> require_bound() const;
  void resolve();
  void run_timed(Timed& timed, RunContext& context);
  void store_results();
  void copy(const StridedReader& from, std::int64_t elements, std::byte* to);

  std::shared_ptr<ThreadPool> pool_;
  bool profile_;
  std::vector<Timed> steps_;
  std::vector<Binding> bindings_;
  std::vector<LateWrite> late_;
  std::vector<graph::MemoryBlock> blocks_;
  graph::MemoryPlan plan_;
  std::vector<graph::Storage> storage_;
  HostMemory arena_;
  HostMemory constants_;
  HostMemory thread_memory_;
  std::vector<std::byte*> thread_space_;
  std::vector<void*> memory_;  // by value
  bool resolved_ = false;
};

}  // namespace caddie::cpu
