// One step of a compiled program, and what it is run with.
//
// A step is made once; run() changes nothing in it, allocates nothing and may use the pool; several threads may run it
// at a time, each with a context of its own. Memory is found by value:
// the program decides where each value stands.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "core/cpu/kernels/factors.hpp"
#include "core/cpu/thread_pool.hpp"
#include "core/graph/executor.hpp"
#include "core/graph/fusion.hpp"
#include "core/graph/storage.hpp"

namespace caddie::cpu {

// The first error of a run; only kernels of plugins can fail. Any thread may keep one.
class RunFailure {
 public:
  void keep(const Error& error) {
    const std::scoped_lock lock(mutex_);
    if (result_) result_ = error;
  }
  // Between steps.
  [[nodiscard]] const Result<void>& result() const { return result_; }

 private:
  std::mutex mutex_;
  Result<void> result_;
};

struct RunContext {
  ThreadPool& pool;
  RunFailure& failure;
  void* const* memory = nullptr;            // by value
  std::byte* scratch = nullptr;             // this step's own, 64-byte aligned
  std::byte* const* thread_space = nullptr; // by thread of the pool, 64-byte aligned
  std::byte* prepared = nullptr;            // what this step's prepare() left
  std::int64_t slab = 0;                    // number of the slab of the batch (core/graph/batch_split.hpp)
  bool accumulate = false;                  // for steps that can: add to the result instead of writing it
  graph::RunKey key{};

  [[nodiscard]] const float* read(graph::Value value) const { return static_cast<const float*>(memory[value]); }
  [[nodiscard]] const std::int32_t* read_i32(graph::Value value) const {
    return static_cast<const std::int32_t*>(memory[value]);
  }
  [[nodiscard]] float* write(graph::Value value) const { return static_cast<float*>(memory[value]); }
  [[nodiscard]] const std::uint16_t* read_narrow(graph::Value value) const {
    return static_cast<const std::uint16_t*>(memory[value]);
  }
  [[nodiscard]] std::uint16_t* write_narrow(graph::Value value) const {
    return static_cast<std::uint16_t*>(memory[value]);
  }
  // A dense view.
  [[nodiscard]] const float* read(const graph::View& view) const { return read(view.base) + view.offset; }
  [[nodiscard]] const std::int32_t* read_i32(const graph::View& view) const {
    return read_i32(view.base) + view.offset;
  }
};

// What a step costs, for profiles.
struct StepCost {
  const char* group = "elementwise";
  double flops = 0;
  double bytes = 0;
};

class CpuStep {
 public:
  virtual ~CpuStep() = default;
  virtual void run(const RunContext& context) const = 0;
  // Whether it has one result and honours context.accumulate.
  [[nodiscard]] virtual bool can_accumulate() const { return false; }
  // Once before any number of run()s with the same leaves: fills context.prepared from leaves alone.
  virtual void prepare(const RunContext&) const {}
  [[nodiscard]] virtual std::size_t prepared_bytes() const { return 0; }
  [[nodiscard]] virtual StepCost cost() const = 0;
  [[nodiscard]] virtual std::size_t scratch_bytes() const { return 0; }
  [[nodiscard]] virtual std::size_t thread_bytes() const { return 0; }
};

using CpuStepPtr = std::unique_ptr<CpuStep>;

// What steps are made from. The graph and the partition outlive only the making.
struct CompileInput {
  const graph::Graph& graph;
  const graph::Partition& partition;
  const graph::StoragePlan& storage;
  const std::vector<bool>& steady;  // by value: a leaf that is the same for all runs after a prepare()
  const std::vector<bool>& narrow;  // by value: kept in bfloat16 (widths.hpp)
  int threads = 1;
  Factors factors = Factors::f32;  // of products and attention

  // Both values stand in the same memory.
  [[nodiscard]] bool share_memory(graph::Value a, graph::Value b) const;
  // Some step, output or update reads the value, which some step makes.
  [[nodiscard]] bool is_read(graph::Value value) const { return graph::is_read(graph, partition, value); }
};

constexpr std::size_t round_to_line(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

}  // namespace caddie::cpu
