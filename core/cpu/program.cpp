#include "core/cpu/program.hpp"

#include <fmt/format.h>

#include "core/base/text.hpp"
#include "core/cpu/graph_run.hpp"
#include "core/cpu/program_profile.hpp"
#include "core/cpu/split_program.hpp"
#include "core/graph/batch_split.hpp"

namespace caddie::cpu {
namespace {

class PlainProgram final : public graph::Program {
 public:
  PlainProgram(std::unique_ptr<CompiledGraph> graph, GraphRun run, std::shared_ptr<ThreadPool> pool)
      : pool_(std::move(pool)), graph_(std::move(graph)), run_(std::move(run)), buffers_(graph_->bindings().size()) {}

  Result<void> bind(std::string_view name, const graph::BufferView& view) override {
    const int found = graph_->find(name);
    if (found < 0) {
      std::vector<std::string> known;
      for (const CompiledGraph::Binding& binding : graph_->bindings()) known.push_back(binding.name);
      return unknown_name(name, known);
    }
    const auto at = static_cast<std::size_t>(found);
    const auto bytes = static_cast<std::size_t>(graph_->bindings()[at].elements) * sizeof(float);
    const auto memory = bytes_of_view(view, bytes, sizeof(float), name);
    if (!memory) return memory.error();
    buffers_[at] = view.buffer;
    run_.bind(found, *memory);
    return {};
  }

  Result<void> run(const graph::RunKey& key) override {
    if (const int leaf = run_.unbound_leaf(); leaf >= 0) {
      return unbound_leaf(graph_->bindings()[static_cast<std::size_t>(leaf)].name);
    }
    return run_.run(*pool_, key);
  }

  [[nodiscard]] std::size_t arena_bytes() const override { return graph_->plan().arena_bytes; }
  [[nodiscard]] std::size_t live_bytes() const override { return graph_->plan().live_bytes; }
  [[nodiscard]] std::vector<graph::ProfileEntry> profile() override {
    StepProfile profile;
    profile.take(*graph_, run_, 1);
    return profile.entries();
  }
  [[nodiscard]] std::vector<graph::TraceEvent> trace() override {
    std::vector<graph::TraceEvent> events;
    take_trace(*graph_, run_, 0, events);
    return events;
  }

 private:
  std::shared_ptr<ThreadPool> pool_;
  std::unique_ptr<CompiledGraph> graph_;
  GraphRun run_;
  std::vector<graph::BufferPtr> buffers_;
};

}  // namespace

Error unknown_name(std::string_view name, const std::vector<std::string>& known) {
  return {Code::argument, std::string(name),
          "the program has no leaf and no output of this name" + did_you_mean(name, known)};
}

Error unbound_leaf(const std::string& name) {
  return {Code::state, name, "this leaf is tied to no memory; bind it before the run"};
}

Result<std::unique_ptr<graph::Program>> make_program(const graph::Graph& graph, const Shared& shared,
                                                     const graph::ExecutorOptions& options) {
  const auto simple = CompiledGraph::prepared_for_kernels(graph);
  if (!simple) return simple.error();
  if (auto split = graph::split_batch(*simple)) return make_split_program(*simple, *split, shared, options);
  const CompiledGraph::Options plain{.threads = shared.pool->size(),
                                     .factors = factors_of(options.precision),
                                     .prepares = false,
                                     .changing_leaves = {},
                                     .summed_leaves = {}};
  auto compiled = CompiledGraph::compile(*simple, plain);
  if (!compiled) return compiled.error();
  auto run = GraphRun::make(**compiled, shared.arenas, 0, shared.pool->size(), options.profile);
  if (!run) return run.error();
  return std::unique_ptr<graph::Program>(
      std::make_unique<PlainProgram>(std::move(*compiled), std::move(*run), shared.pool));
}

}  // namespace caddie::cpu
