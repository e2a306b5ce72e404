#include "core/cpu/program.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>

#include "core/base/text.hpp"
#include "core/cpu/fused_step.hpp"
#include "core/cpu/node_kernels.hpp"
#include "core/graph/lower.hpp"
#include "core/graph/passes.hpp"

namespace caddie::cpu {

using graph::Graph;
using graph::Home;
using graph::Node;
using graph::Value;

namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::int64_t kElementsPerCopy = 65536;

std::size_t value_bytes(const Graph& graph, Value value) {
  return static_cast<std::size_t>(graph.shape(value).elements()) * sizeof(float);
}

bool has_kernel(const Graph& graph, const Node& node) {
  const NodeKernel* kernel = node_kernel(node.op);
  return kernel != nullptr && (kernel->fits == nullptr || kernel->fits(graph, node));
}

graph::FusionRules fusion_rules(const Graph& graph) {
  graph::FusionRules rules;
  rules.reads_view = [&graph](const Node& node, std::size_t input, const graph::View& view) {
    const NodeKernel* kernel = node_kernel(node.op);
    if (kernel == nullptr || kernel->reads_view == nullptr) return view.is_dense();
    return kernel->reads_view(graph, node, input, view);
  };
  return rules;
}

graph::StorageRules storage_rules() {
  return {[](const Node& node, std::size_t input) {
    const NodeKernel* kernel = node_kernel(node.op);
    return kernel != nullptr && kernel->in_place_input == static_cast<int>(input);
  }};
}

}  // namespace

bool CompileInput::share_memory(Value a, Value b) const {
  const graph::Storage& first = storage.of[a];
  const graph::Storage& second = storage.of[b];
  if (first.home != second.home) return false;
  if (first.home == Home::arena) return first.block == second.block;
  return first.home == Home::leaf && first.owner == second.owner;
}

bool CompileInput::is_read(Value value) const {
  const auto reads = [&](const graph::View& view) { return view.base == value; };
  return std::ranges::any_of(
             partition.steps,
             [&](const graph::Step& step) { return std::ranges::any_of(graph::views_read(step), reads); }) ||
         std::ranges::any_of(graph.outputs(),
                             [&](const graph::Output& output) { return reads(partition.views[output.value]); }) ||
         std::ranges::any_of(graph.updates(),
                             [&](const graph::Update& update) { return reads(partition.views[update.value]); });
}

// ---- compiling ------------------------------------------------------------------------------------------------------

Result<std::unique_ptr<CpuProgram>> CpuProgram::compile(const Graph& graph, std::shared_ptr<ThreadPool> pool,
                                                        bool profile) {
  Result<Graph> lowered = graph::lower(graph, has_kernel);
  if (!lowered) return lowered.error();
  Result<Graph> simple = graph::simplify(*lowered);
  if (simple) simple = graph::plain_dots(*simple);
  if (!simple) return simple.error();
  std::unique_ptr<CpuProgram> program(new CpuProgram(std::move(pool), profile));
  if (auto good = program->build(*simple); !good) return good.error();
  return program;
}

Result<void> CpuProgram::build(const Graph& graph) {
  const graph::Partition partition = graph::partition(graph, fusion_rules(graph));
  graph::StoragePlan storage = graph::plan_storage(graph, partition, storage_rules());
  const CompileInput input{graph, partition, storage, pool_->size()};
  if (auto good = make_steps(input); !good) return good;
  if (auto good = allocate(input); !good) return good;
  if (auto good = fill_constants(input); !good) return good;
  make_bindings(input);
  storage_ = std::move(storage.of);
  return {};
}

Result<void> CpuProgram::make_steps(const CompileInput& input) {
  blocks_ = input.storage.blocks;
  for (std::uint32_t i = 0; i < input.partition.steps.size(); ++i) {
    const graph::Step& step = input.partition.steps[i];
    const Node& node = input.graph.nodes()[step.node];
    Timed timed;
    timed.scope = input.graph.scope_name(node.scope);
    if (step.fused) {
      timed.step = make_fused_step(input, step.group);
    } else if (const NodeKernel* kernel = node_kernel(node.op)) {
      timed.step = kernel->make(input, step);
    } else {
      return Error{Code::internal, timed.scope,
                   fmt::format("{}: the processor's executor has no kernel for it", info(node.op).name)};
    }
    timed.scratch = blocks_.size();
    blocks_.push_back({timed.step->scratch_bytes(), i, i});
    steps_.push_back(std::move(timed));
  }
  return {};
}

Result<void> CpuProgram::allocate(const CompileInput& input) {
  plan_ = graph::plan_memory(blocks_, kAlignment);
  auto arena = HostMemory::allocate(plan_.arena_bytes, "intermediate values");
  if (!arena) return arena.error();
  arena_ = std::move(*arena);
  std::size_t space = kAlignment;
  for (Timed& timed : steps_) {
    timed.scratch = plan_.offsets[timed.scratch];
    space = std::max(space, round_to_line(timed.step->thread_bytes()));
  }
  auto threads = HostMemory::allocate(space * static_cast<std::size_t>(input.threads), "the threads' strips");
  if (!threads) return threads.error();
  thread_memory_ = std::move(*threads);
  for (int thread = 0; thread < input.threads; ++thread) {
    thread_space_.push_back(thread_memory_.data() + space * static_cast<std::size_t>(thread));
  }
  for (const graph::LateUpdate& update : input.storage.late) {
    late_.push_back({update.leaf, StridedReader(update.from, input.graph.dtype(update.leaf)),
                     input.graph.shape(update.leaf).elements(),
                     update.staged ? static_cast<std::ptrdiff_t>(plan_.offsets[update.block]) : -1});
  }
  return {};
}

// A constant of one value is one element in memory, unless some kernel needs all of them.
Result<void> CpuProgram::fill_constants(const CompileInput& input) {
  const Graph& graph = input.graph;
  memory_.assign(graph.value_count(), nullptr);
  std::vector<std::pair<Value, std::size_t>> places;
  std::size_t total = 0;
  for (const Node& node : graph.nodes()) {
    if (node.op != graph::Op::constant) continue;
    const bool one = input.partition.views[node.first_output].is_splat();
    places.emplace_back(node.first_output, total);
    total += round_to_line(one ? sizeof(float) : value_bytes(graph, node.first_output));
  }
  auto memory = HostMemory::allocate(total, "constants");
  if (!memory) return memory.error();
  constants_ = std::move(*memory);
  for (const auto& [value, offset] : places) {
    const auto values = graph.node_of(value).attributes.reals("values");
    const std::size_t count =
        input.partition.views[value].is_splat() ? 1 : static_cast<std::size_t>(graph.shape(value).elements());
    std::byte* to = constants_.data() + offset;
    memory_[value] = to;
    for (std::size_t i = 0; i < count; ++i) {
      const double number = values[values.size() == 1 ? 0 : i];
      const auto real = static_cast<float>(number);
      const auto whole = graph.dtype(value) == graph::DType::i32 ? static_cast<std::int32_t>(number) : 0;
      std::memcpy(to + i * sizeof(float),
                  graph.dtype(value) == graph::DType::f32 ? static_cast<const void*>(&real) : &whole, sizeof(float));
    }
  }
  return {};
}

void CpuProgram::make_bindings(const CompileInput& input) {
  for (const graph::Leaf& leaf : input.graph.leaves()) {
    bindings_.push_back({leaf.name, leaf.value, {}, input.graph.shape(leaf.value).elements(), nullptr, nullptr});
  }
  for (const graph::Output& output : input.graph.outputs()) {
    bindings_.push_back({output.name, 0,
                         StridedReader(input.partition.views[output.value], input.graph.dtype(output.value)),
                         input.graph.shape(output.value).elements(), nullptr, nullptr});
  }
}

// ---- binding --------------------------------------------------------------------------------------------------------

CpuProgram::Binding* CpuProgram::find(std::string_view name) {
  const auto found = std::ranges::find(bindings_, name, &Binding::name);
  return found != bindings_.end() ? &*found : nullptr;
}

Result<void> CpuProgram::bind(std::string_view name, const graph::BufferView& view) {
  Binding* binding = find(name);
  if (binding == nullptr) {
    std::vector<std::string> known;
    for (const Binding& other : bindings_) known.push_back(other.name);
    return Error{Code::argument, std::string(name),
                 "the program has no leaf and no output of this name" + did_you_mean(name, known)};
  }
  const auto memory =
      bytes_of_view(view, static_cast<std::size_t>(binding->elements) * sizeof(float), sizeof(float), name);
  if (!memory) return memory.error();
  binding->buffer = view.buffer;
  binding->memory = *memory;
  resolved_ = false;
  return {};
}

Result<void> CpuProgram::require_bound() const {
  for (const Binding& binding : bindings_) {
    if (binding.leaf == 0 || binding.memory != nullptr) continue;
    return Error{Code::state, binding.name, "this leaf is tied to no memory; bind it before the run"};
  }
  return {};
}

void CpuProgram::resolve() {
  for (const Binding& binding : bindings_) {
    if (binding.leaf != 0) memory_[binding.leaf] = binding.memory;
  }
  for (std::size_t value = 1; value < storage_.size(); ++value) {
    const graph::Storage& storage = storage_[value];
    if (storage.home == Home::arena) memory_[value] = arena_.data() + plan_.offsets[storage.block];
    if (storage.home == Home::leaf) memory_[value] = memory_[storage.owner];
  }
  resolved_ = true;
}

// ---- running --------------------------------------------------------------------------------------------------------

Result<void> CpuProgram::run(const graph::RunKey& key) {
  if (!resolved_) {
    if (auto good = require_bound(); !good) return good;
    resolve();
  }
  RunFailure failure;
  RunContext context{*pool_, failure, memory_.data(), nullptr, thread_space_.data(), key};
  for (Timed& timed : steps_) {
    context.scratch = arena_.data() + timed.scratch;
    if (profile_) {
      run_timed(timed, context);
    } else {
      timed.step->run(context);
    }
    if (!failure.result()) {
      Error error = failure.result().error();
      if (error.where.empty()) error.where = timed.scope;
      return error;
    }
  }
  store_results();
  return {};
}

void CpuProgram::run_timed(Timed& timed, RunContext& context) {
  const auto start = std::chrono::steady_clock::now();
  timed.step->run(context);
  timed.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  ++timed.runs;
}

void CpuProgram::copy(const StridedReader& from, std::int64_t elements, std::byte* to) {
  const auto* base = static_cast<const float*>(memory_[from.base()]);
  auto* out = reinterpret_cast<float*>(to);
  if (from.is_dense() && from.read(base, 0, elements, nullptr).data == out) return;
  const std::int64_t tasks = (elements + kElementsPerCopy - 1) / kElementsPerCopy;
  pool_->run(tasks, [&](std::int64_t task) {
    const std::int64_t first = task * kElementsPerCopy;
    from.copy(base, first, std::min(kElementsPerCopy, elements - first), out + first);
  });
}

// Every old value is read before one that is needed is written over: first sources that are written late themselves are
// set aside, then outputs are stored, then leaves are written.
void CpuProgram::store_results() {
  for (const LateWrite& write : late_) {
    if (write.staged_at >= 0) copy(write.from, write.elements, arena_.data() + write.staged_at);
  }
  for (const Binding& binding : bindings_) {
    if (binding.leaf == 0 && binding.memory != nullptr) copy(binding.from, binding.elements, binding.memory);
  }
  for (const LateWrite& write : late_) {
    auto* to = static_cast<std::byte*>(memory_[write.leaf]);
    if (write.staged_at >= 0) {
      std::memcpy(to, arena_.data() + write.staged_at, static_cast<std::size_t>(write.elements) * sizeof(float));
    } else {
      copy(write.from, write.elements, to);
    }
  }
}

std::vector<graph::ProfileEntry> CpuProgram::profile() {
  std::map<std::pair<std::string, std::string>, graph::ProfileEntry> entries;
  for (Timed& timed : steps_) {
    if (timed.runs == 0) continue;
    const StepCost cost = timed.step->cost();
    graph::ProfileEntry& entry = entries[{cost.group, timed.scope}];
    entry.group = cost.group;
    entry.scope = timed.scope;
    entry.seconds += timed.seconds;
    entry.flops += cost.flops * static_cast<double>(timed.runs);
    entry.bytes += cost.bytes * static_cast<double>(timed.runs);
    timed.seconds = 0;
    timed.runs = 0;
  }
  std::vector<graph::ProfileEntry> out;
  for (auto& [key, entry] : entries) out.push_back(std::move(entry));
  std::ranges::stable_sort(out, std::ranges::greater{}, &graph::ProfileEntry::seconds);
  return out;
}

}  // namespace caddie::cpu
