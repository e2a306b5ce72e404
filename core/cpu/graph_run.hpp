// What one run of a compiled graph works in: a lane's arena, threads' strips, and where every value stands. Belongs to
// one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/cpu/arenas.hpp"
#include "core/cpu/compiled_graph.hpp"
#include "core/cpu/turns.hpp"

namespace caddie::cpu {

class GraphRun {
 public:
  struct StepTime {
    double seconds = 0;
    double busy_seconds = 0;  // processor time of the calling thread
    std::uint64_t runs = 0;
  };

  struct Event {
    std::size_t step = 0;
    double start_seconds = 0;
    double seconds = 0;
  };

  static Result<GraphRun> make(const CompiledGraph& graph, std::shared_ptr<Arenas> arenas, std::size_t lane,
                               int threads, bool timed);

  void bind(int binding, std::byte* memory) {
    bound_[static_cast<std::size_t>(binding)] = memory;
    resolved_ = false;
  }
  // The step (one of the graph's summing()) adds what it makes in slab s to what slabs below s have made, when it is
  // its turn. Null: it writes.
  void take_turns(std::size_t step, Turns* turns) { turns_[step] = turns; }
  // The first leaf that is tied to no memory, or -1.
  [[nodiscard]] int unbound_leaf() const;

  // Fills `prepared`, graph.prepared_bytes() long, from the leaves.
  void prepare(ThreadPool& pool, std::byte* prepared);
  // An error when a plugin's kernel failed; nothing is stored then. Turns pass all the same.
  Result<void> run(ThreadPool& pool, const graph::RunKey& key, std::byte* prepared = nullptr, std::int64_t slab = 0);

  [[nodiscard]] std::vector<StepTime>& times() { return times_; }
  [[nodiscard]] std::vector<Event>& events() { return events_; }

 private:
  GraphRun() = default;
  void resolve();
  void run_timed(std::size_t step, const RunContext& context);
  void let_pass(std::size_t first_step, std::int64_t slab);
  void store_results(ThreadPool& pool);
  void copy(ThreadPool& pool, const StridedReader& from, std::int64_t elements, std::byte* to) const;

  const CompiledGraph* graph_ = nullptr;
  std::shared_ptr<Arenas> arenas_;
  std::size_t lane_ = 0;
  std::byte* arena_ = nullptr;  // as memory_ knows it
  HostMemory thread_memory_;
  std::vector<std::byte*> thread_space_;
  std::vector<std::byte*> bound_;  // by binding
  std::vector<void*> memory_;      // by value
  std::vector<Turns*> turns_;      // by step
  std::vector<StepTime> times_;    // by step; empty unless timed
  std::vector<Event> events_;
  bool resolved_ = false;
};

}  // namespace caddie::cpu
