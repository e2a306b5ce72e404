#include "core/cpu/compiled_graph.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "core/cpu/fused_step.hpp"
#include "core/cpu/node_kernels.hpp"
#include "core/cpu/widths.hpp"
#include "core/graph/lower.hpp"
#include "core/graph/passes.hpp"
#include "core/graph/recompute.hpp"

namespace caddie::cpu {

using graph::Graph;
using graph::Home;
using graph::Node;
using graph::Value;

namespace {

constexpr std::size_t kAlignment = 64;

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
  rules.takes_epilogue = takes_epilogue;
  return rules;
}

// The operation, or those of a group, each once.
std::string name_of(const Graph& graph, const graph::Step& step) {
  if (!step.fused) return std::string(info(graph.nodes()[step.node].op).name);
  std::vector<std::string> names;
  for (const graph::GroupMember& member : step.group.members) {
    std::string name(info(graph.nodes()[member.node].op).name);
    if (std::ranges::find(names, name) == names.end()) names.push_back(std::move(name));
  }
  return fmt::format("{}", fmt::join(names, " "));
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

Result<Graph> CompiledGraph::prepared_for_kernels(const Graph& graph) {
  Result<Graph> lowered = graph::lower(graph, has_kernel);
  if (!lowered) return lowered.error();
  return graph::simplify(*lowered);
}

Result<std::unique_ptr<CompiledGraph>> CompiledGraph::compile(const Graph& graph, const Options& options) {
  Result<Graph> simple = prepared_for_kernels(graph);
  if (simple) simple = graph::plain_dots(*simple);
  if (simple) simple = graph::recompute_elementwise(*simple, fusion_rules(*simple));
  if (!simple) return simple.error();
  std::unique_ptr<CompiledGraph> made(new CompiledGraph());
  if (auto good = made->build(*simple, options); !good) return good.error();
  return made;
}

Result<void> CompiledGraph::build(const Graph& graph, const Options& options) {
  const graph::Partition partition = graph::partition(graph, fusion_rules(graph));
  const std::vector<bool> narrow = narrow_values(graph, partition, options.factors);
  graph::StorageRules rules = storage_rules();
  rules.element_bytes = [&](Value value) -> std::size_t { return narrow[value] ? 2 : 4; };
  graph::StoragePlan storage = graph::plan_storage(graph, partition, rules);
  std::vector<bool> steady(graph.value_count(), false);
  for (const graph::Leaf& leaf : graph.leaves()) {
    const bool changing = std::ranges::find(options.changing_leaves, leaf.name) != options.changing_leaves.end();
    steady[leaf.value] = options.prepares && !changing;
  }
  const CompileInput input{graph, partition, storage, steady, narrow, options.threads, options.factors};
  if (auto good = make_steps(input); !good) return good;
  place(input);
  if (auto good = fill_constants(input); !good) return good;
  make_bindings(input);
  find_summing(input, options.summed_leaves);
  storage_ = std::move(storage.of);
  return {};
}

Result<void> CompiledGraph::make_steps(const CompileInput& input) {
  blocks_ = input.storage.blocks;
  for (std::uint32_t i = 0; i < input.partition.steps.size(); ++i) {
    const graph::Step& step = input.partition.steps[i];
    const Node& node = input.graph.nodes()[step.node];
    PlacedStep made;
    made.scope = input.graph.scope_name(node.scope);
    made.name = name_of(input.graph, step);
    if (step.fused) {
      made.step = make_fused_step(input, step.group);
    } else if (const NodeKernel* kernel = node_kernel(node.op)) {
      made.step = kernel->make(input, step);
    } else {
      return Error{Code::internal, made.scope,
                   fmt::format("{}: the processor's executor has no kernel for it", info(node.op).name)};
    }
    made.scratch = blocks_.size();
    blocks_.push_back({made.step->scratch_bytes(), i, i});
    steps_.push_back(std::move(made));
  }
  return {};
}

void CompiledGraph::place(const CompileInput& input) {
  plan_ = graph::plan_memory(blocks_, kAlignment);
  thread_bytes_ = kAlignment;
  for (PlacedStep& placed : steps_) {
    placed.scratch = plan_.offsets[placed.scratch];
    placed.prepared = prepared_bytes_;
    prepared_bytes_ += round_to_line(placed.step->prepared_bytes());
    thread_bytes_ = std::max(thread_bytes_, round_to_line(placed.step->thread_bytes()));
  }
  for (const graph::LateUpdate& update : input.storage.late) {
    late_.push_back({update.leaf, StridedReader(update.from, input.graph.dtype(update.leaf)),
                     input.graph.shape(update.leaf).elements(),
                     update.staged ? static_cast<std::ptrdiff_t>(plan_.offsets[update.block]) : -1});
  }
}

// A constant of one value is one element in memory, unless some kernel needs all of them.
Result<void> CompiledGraph::fill_constants(const CompileInput& input) {
  const Graph& graph = input.graph;
  constant_of_.assign(graph.value_count(), nullptr);
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
    constant_of_[value] = to;
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

void CompiledGraph::make_bindings(const CompileInput& input) {
  for (const graph::Leaf& leaf : input.graph.leaves()) {
    bindings_.push_back({leaf.name, leaf.value, {}, input.graph.shape(leaf.value).elements()});
  }
  for (const graph::Output& output : input.graph.outputs()) {
    bindings_.push_back({output.name, 0,
                         StridedReader(input.partition.views[output.value], input.graph.dtype(output.value)),
                         input.graph.shape(output.value).elements()});
  }
}

void CompiledGraph::find_summing(const CompileInput& input, const std::vector<std::string>& leaves) {
  const auto stands_in = [&](Value value, Value leaf) {
    const graph::Storage& storage = input.storage.of[value];
    return storage.home == Home::leaf && storage.owner == leaf;
  };
  for (const std::string& name : leaves) {
    const graph::Leaf* leaf = input.graph.find_leaf(name);
    if (leaf == nullptr) continue;
    std::size_t writers = 0;
    bool is_read = false;
    Summing found{name, 0};
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      const graph::Step& step = input.partition.steps[i];
      is_read = is_read || std::ranges::any_of(graph::views_read(step),
                                               [&](const graph::View& view) { return stands_in(view.base, leaf->value); });
      if (std::ranges::none_of(step.writes, [&](Value value) { return stands_in(value, leaf->value); })) continue;
      ++writers;
      found.step = i;
    }
    if (writers == 1 && !is_read && steps_[found.step].step->can_accumulate()) summing_.push_back(found);
  }
}

int CompiledGraph::find(std::string_view name) const {
  const auto found = std::ranges::find(bindings_, name, &Binding::name);
  return found != bindings_.end() ? static_cast<int>(found - bindings_.begin()) : -1;
}

}  // namespace caddie::cpu
