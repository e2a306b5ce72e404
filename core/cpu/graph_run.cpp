#include "core/cpu/graph_run.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <ctime>

namespace caddie::cpu {

using graph::Home;

namespace {

constexpr std::int64_t kElementsPerCopy = 65536;
constexpr std::size_t kMostEvents = 20000;

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double thread_seconds() {
#if defined(CLOCK_THREAD_CPUTIME_ID)
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
#else
  return wall_seconds();
#endif
}

}  // namespace

Result<GraphRun> GraphRun::make(const CompiledGraph& graph, std::shared_ptr<Arenas> arenas, std::size_t lane,
                                int threads, bool timed) {
  GraphRun run;
  run.graph_ = &graph;
  if (auto done = arenas->reserve(lane, graph.plan().arena_bytes); !done) return done.error();
  run.arenas_ = std::move(arenas);
  run.lane_ = lane;
  auto space = HostMemory::allocate(graph.thread_bytes() * static_cast<std::size_t>(threads), "the threads' strips");
  if (!space) return space.error();
  run.thread_memory_ = std::move(*space);
  for (int thread = 0; thread < threads; ++thread) {
    run.thread_space_.push_back(run.thread_memory_.data() + graph.thread_bytes() * static_cast<std::size_t>(thread));
  }
  run.bound_.assign(graph.bindings().size(), nullptr);
  run.memory_ = graph.constants();
  run.turns_.assign(graph.steps().size(), nullptr);
  if (timed) run.times_.resize(graph.steps().size());
  return run;
}

int GraphRun::unbound_leaf() const {
  for (std::size_t i = 0; i < bound_.size(); ++i) {
    if (graph_->bindings()[i].leaf != 0 && bound_[i] == nullptr) return static_cast<int>(i);
  }
  return -1;
}

void GraphRun::resolve() {
  if (resolved_ && arena_ == arenas_->data(lane_)) return;
  arena_ = arenas_->data(lane_);
  for (std::size_t i = 0; i < bound_.size(); ++i) {
    if (graph_->bindings()[i].leaf != 0) memory_[graph_->bindings()[i].leaf] = bound_[i];
  }
  const std::vector<graph::Storage>& of = graph_->storage();
  for (std::size_t value = 1; value < of.size(); ++value) {
    if (of[value].home == Home::arena) memory_[value] = arena_ + graph_->plan().offsets[of[value].block];
    if (of[value].home == Home::leaf) memory_[value] = memory_[of[value].owner];
  }
  resolved_ = true;
}

void GraphRun::prepare(ThreadPool& pool, std::byte* prepared) {
  resolve();
  RunFailure failure;  // packing does not fail
  RunContext context{.pool = pool, .failure = failure, .memory = memory_.data()};
  for (const CompiledGraph::PlacedStep& placed : graph_->steps()) {
    if (placed.step->prepared_bytes() == 0) continue;
    context.prepared = prepared + placed.prepared;
    placed.step->prepare(context);
  }
}

Result<void> GraphRun::run(ThreadPool& pool, const graph::RunKey& key, std::byte* prepared, std::int64_t slab) {
  resolve();
  RunFailure failure;
  RunContext context{.pool = pool, .failure = failure, .memory = memory_.data()};
  context.thread_space = thread_space_.data();
  context.key = key;
  context.slab = slab;
  for (std::size_t i = 0; i < graph_->steps().size(); ++i) {
    const CompiledGraph::PlacedStep& placed = graph_->steps()[i];
    context.scratch = arena_ + placed.scratch;
    context.prepared = prepared == nullptr ? nullptr : prepared + placed.prepared;
    Turns* const turns = turns_[i];
    if (turns != nullptr) turns->await(static_cast<std::uint32_t>(slab));
    context.accumulate = turns != nullptr && slab > 0;
    if (times_.empty()) {
      placed.step->run(context);
    } else {
      run_timed(i, context);
    }
    if (turns != nullptr) turns->pass();
    if (!failure.result()) {
      let_pass(i + 1, slab);
      Error error = failure.result().error();
      if (error.where.empty()) error.where = placed.scope;
      return error;
    }
  }
  store_results(pool);
  return {};
}

void GraphRun::let_pass(std::size_t first_step, std::int64_t slab) {
  for (std::size_t i = first_step; i < turns_.size(); ++i) {
    if (turns_[i] == nullptr) continue;
    turns_[i]->await(static_cast<std::uint32_t>(slab));
    turns_[i]->pass();
  }
}

void GraphRun::run_timed(std::size_t step, const RunContext& context) {
  const double wall = wall_seconds();
  const double busy = thread_seconds();
  graph_->steps()[step].step->run(context);
  times_[step].busy_seconds += thread_seconds() - busy;
  const double seconds = wall_seconds() - wall;
  times_[step].seconds += seconds;
  if (events_.size() < kMostEvents) events_.push_back({step, wall, seconds});
  ++times_[step].runs;
}

void GraphRun::copy(ThreadPool& pool, const StridedReader& from, std::int64_t elements, std::byte* to) const {
  const auto* base = static_cast<const float*>(memory_[from.base()]);
  auto* out = reinterpret_cast<float*>(to);
  if (from.is_dense() && from.read(base, 0, elements, nullptr).data == out) return;
  const std::int64_t tasks = (elements + kElementsPerCopy - 1) / kElementsPerCopy;
  pool.run(tasks, [&](std::int64_t task) {
    const std::int64_t first = task * kElementsPerCopy;
    from.copy(base, first, std::min(kElementsPerCopy, elements - first), out + first);
  });
}

// Every old value is read before one that is needed is written over: first sources that are written late themselves are
// set aside, then outputs are stored, then leaves are written.
void GraphRun::store_results(ThreadPool& pool) {
  for (const CompiledGraph::LateWrite& write : graph_->late_writes()) {
    if (write.staged_at >= 0) copy(pool, write.from, write.elements, arena_ + write.staged_at);
  }
  for (std::size_t i = 0; i < bound_.size(); ++i) {
    const CompiledGraph::Binding& binding = graph_->bindings()[i];
    if (binding.leaf == 0 && bound_[i] != nullptr) copy(pool, binding.from, binding.elements, bound_[i]);
  }
  for (const CompiledGraph::LateWrite& write : graph_->late_writes()) {
    auto* to = static_cast<std::byte*>(memory_[write.leaf]);
    if (write.staged_at >= 0) {
      std::memcpy(to, arena_ + write.staged_at, static_cast<std::size_t>(write.elements) * sizeof(float));
    } else {
      copy(pool, write.from, write.elements, to);
    }
  }
}

}  // namespace caddie::cpu
