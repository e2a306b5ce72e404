#include "core/cpu/compiled_graph.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "core/cpu/fused_step.hpp"
#include "core/cpu/node_kernels.hpp"
#include "core/cpu/widths.hpp"
#include "core/graph/recompute.hpp"

namespace caddie::cpu {

using graph::Graph;
using graph::Home;
using graph::Node;
using graph::Value;

namespace {

constexpr std::size_t kAlignment = 64;

const graph::KernelForm* kernel_form(graph::Op op) { return node_kernel(op); }

graph::FusionRules fusion_rules(const Graph& graph) {
  graph::FusionRules rules = graph::fusion_rules(graph, kernel_form);
  rules.takes_epilogue = [&graph](const graph::Epilogue& epilogue) {
    const graph::Op op = graph.nodes()[epilogue.product].op;
    return op == graph::Op::dot || op == graph::Op::linear ? product_takes(epilogue) : norm_takes(epilogue);
  };
  return rules;
}

}  // namespace

bool CompileInput::share_memory(Value a, Value b) const {
  const graph::Storage& first = storage.of[a];
  const graph::Storage& second = storage.of[b];
  if (first.home != second.home) return false;
  if (first.home == Home::arena) return first.block == second.block;
  return first.home == Home::leaf && first.owner == second.owner;
}

// ---- compiling ------------------------------------------------------------------------------------------------------

Result<Graph> CompiledGraph::prepared_for_kernels(const Graph& graph) {
  return graph::composites_for_kernels(graph, kernel_form);
}

Result<std::unique_ptr<CompiledGraph>> CompiledGraph::compile(const Graph& graph, const Options& options) {
  Result<Graph> simple = graph::prepared_for_kernels(graph, kernel_form);
  if (simple) simple = graph::recompute_elementwise(*simple, fusion_rules(*simple));
  if (!simple) return simple.error();
  std::unique_ptr<CompiledGraph> made(new CompiledGraph());
  if (auto good = made->build(*simple, options); !good) return good.error();
  return made;
}

Result<void> CompiledGraph::build(const Graph& graph, const Options& options) {
  const graph::Partition partition = graph::partition(graph, fusion_rules(graph));
  const std::vector<bool> narrow = narrow_values(graph, partition, options.factors);
  graph::StorageRules rules;
  rules.in_place = [](const Node& node, std::size_t input) { return graph::writes_in_place(node, input, kernel_form); };
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
    made.name = graph::operations_of(input.graph, step);
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
    places.emplace_back(node.first_output, total);
    const std::int64_t elements = graph::elements_in_memory(graph, input.partition, node.first_output);
    total += round_to_line(static_cast<std::size_t>(elements) * sizeof(float));
  }
  auto memory = HostMemory::allocate(total, "constants");
  if (!memory) return memory.error();
  constants_ = std::move(*memory);
  for (const auto& [value, offset] : places) {
    const std::vector<std::uint32_t> words = graph::constant_words(graph, input.partition, value);
    constant_of_[value] = constants_.data() + offset;
    std::memcpy(constant_of_[value], words.data(), words.size() * sizeof(float));
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

// Where the only step that writes a leaf can add to it, and none reads it.
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
      is_read = is_read || std::ranges::any_of(graph::views_read(step), [&](const graph::View& view) {
                  return stands_in(view.base, leaf->value);
                });
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
