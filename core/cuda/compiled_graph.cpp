#include "core/cuda/compiled_graph.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "core/cuda/codegen/group_code.hpp"
#include "core/cuda/epilogue_step.hpp"
#include "core/cuda/kernels/kernel_texts.hpp"
#include "core/cuda/node_kernels.hpp"
#include "core/cuda/widths.hpp"
#include "core/graph/kernel_forms.hpp"
#include "core/graph/recompute.hpp"

namespace caddie::cuda {

using graph::Graph;
using graph::Home;
using graph::Node;
using graph::Value;
using graph::View;

namespace {

constexpr std::size_t kAlignment = 256;
constexpr std::uint32_t kNone = 0xFFFFFFFF;

const graph::KernelForm* kernel_form(graph::Op op) { return node_kernel(op); }

graph::FusionRules fusion_rules(const Graph& graph, graph::Precision precision, const Device& device) {
  graph::FusionRules rules = graph::fusion_rules(graph, kernel_form);
  rules.takes_epilogue = [&graph, precision, &device](const graph::Epilogue& epilogue) {
    return takes_epilogue(graph, epilogue, precision == graph::Precision::bf16, device);
  };
  return rules;
}

// As a kernel's name: the first operations.
std::string kernel_name(const std::string& name) {
  std::string out = "fused_";
  for (const char c : name.substr(0, 40)) out += c == ' ' ? '_' : c;
  return out;
}

CudaStep shadow_step(const CompileInput& input, Value value) {
  const std::int64_t elements = graph::elements_in_memory(input.graph, input.partition, value);
  const int lanes = elements % 4 == 0 ? 4 : 1;
  Defines defines;
  defines.set("ELEMENTS", elements).set("LANES", lanes == 4 ? "4" : "1");
  CudaStep step;
  step.launch({"narrow", defines.before("narrow"), 2, 256, 0, false}, ceil_div(elements / lanes, 256),
              {input.place(value), {Space::shadow, value, 0}});
  return step;
}

template <class Body>
void for_places(CudaStep& step, const Body& body) {
  for (Command& command : step.commands) {
    if (auto* launch = std::get_if<LaunchCommand>(&command)) {
      for (Place& place : launch->places) body(place);
    } else {
      auto& product = std::get<ProductCommand>(command);
      for (Place* place : {&product.a, &product.b, &product.c, &product.scale, &product.addend, &product.bias,
                           &product.before}) {
        body(*place);
      }
    }
  }
}

void append(CudaStep& to, const CudaStep& from) {
  for (const Command& command : from.commands) {
    const auto& launch = std::get<LaunchCommand>(command);
    to.launch(from.kernels[launch.kernel], launch.blocks, launch.places);
  }
}

// Leaves whose new value could not be made in place. What is read from a leaf that is written too is set aside in
// `before`; both share the scratch that `after` asks for.
void add_late_updates(const CompileInput& input, CudaStep& before, CudaStep& after) {
  for (const graph::LateUpdate& late : input.storage.late) {
    const CopyTarget to{input.place(late.leaf), input.type(late.leaf), 1, 1, 0};
    if (!late.staged) {
      add_copy(input, late.from, to, after);
      continue;
    }
    const Place held = after.take_scratch(static_cast<std::size_t>(late.from.shape.elements()) * 4);
    add_copy(input, late.from, {held, to.type, 1, 1, 0}, before);
    add_copy(input, graph::whole(input.graph, late.leaf), to, after, &held);
  }
}

}  // namespace

Result<std::unique_ptr<CompiledGraph>> CompiledGraph::compile(const Graph& graph, graph::Precision precision,
                                                              Device& device) {
  Result<Graph> simple = graph::prepared_for_kernels(graph, kernel_form);
  if (simple) simple = graph::recompute_elementwise(*simple, fusion_rules(*simple, precision, device));
  if (!simple) return simple.error();
  std::unique_ptr<CompiledGraph> made(new CompiledGraph());
  if (auto good = made->build(*simple, precision, device); !good) return good.error();
  return made;
}

Result<void> CompiledGraph::build(const Graph& graph, graph::Precision precision, Device& device) {
  const bool narrows = precision == graph::Precision::bf16;
  const graph::Partition partition = graph::partition(graph, fusion_rules(graph, precision, device));
  const std::vector<bool> narrow = narrow_values(graph, partition, narrows);
  graph::StorageRules rules;
  rules.in_place = [](const Node& node, std::size_t input) {
    return graph::writes_in_place(node, input, kernel_form);
  };
  rules.element_bytes = [&](Value value) -> std::size_t { return narrow[value] ? 2 : 4; };
  graph::StoragePlan storage = graph::plan_storage(graph, partition, rules);
  const CompileInput input{graph, partition, storage, narrow, narrows, device};
  blocks_ = storage.blocks;
  for (const graph::LateUpdate& late : storage.late) {
    if (late.staged) blocks_[late.block].bytes = 0;  // staged in scratch instead
  }
  auto steps = make_steps(input);
  if (!steps) return steps.error();
  make_shadows(input, *steps);
  Unplaced parts{std::move(*steps), {}, {}, {}};
  make_bindings(input, parts.outputs);
  add_late_updates(input, parts.before, parts.after);
  if (auto good = load_kernels(parts, device); !good) return good;
  if (auto good = place(input, parts, device); !good) return good;
  if (auto good = fill_constants(input, device); !good) return good;
  storage_ = std::move(storage.of);
  return {};
}

// Every step gets its place in the arena; those after the last one have the number behind it.
Result<void> CompiledGraph::place(const CompileInput& input, Unplaced& parts, Device& device) {
  const auto end = static_cast<std::uint32_t>(parts.steps.size());
  for (std::uint32_t i = 0; i < end; ++i) {
    const graph::Step& step = input.partition.steps[i];
    auto made = finished(std::move(parts.steps[i]), i, device);
    if (!made) return made.error();
    made->scope = input.graph.scope_name(input.graph.nodes()[step.node].scope);
    made->name = graph::operations_of(input.graph, step);
    steps_.push_back(std::move(*made));
  }
  for (CudaStep& step : parts.outputs) {
    auto made = finished(std::move(step), end, device);
    if (!made) return made.error();
    made->name = "output";
    output_steps_.push_back(std::move(*made));
  }
  auto before = finished(std::move(parts.before), end, device);
  auto after = finished(std::move(parts.after), end, device);
  if (!before) return before.error();
  if (!after) return after.error();
  before_outputs_ = std::move(*before);
  after_outputs_ = std::move(*after);
  before_outputs_.name = after_outputs_.name = "update";
  plan_ = graph::plan_memory(blocks_, kAlignment);
  for (PlacedStep& step : steps_) step.scratch = plan_.offsets[step.scratch];
  for (PlacedStep& step : output_steps_) step.scratch = plan_.offsets[step.scratch];
  before_outputs_.scratch = after_outputs_.scratch = plan_.offsets[after_outputs_.scratch];
  return {};
}

Result<std::vector<CudaStep>> CompiledGraph::make_steps(const CompileInput& input) {
  std::vector<CudaStep> steps;
  for (const graph::Step& step : input.partition.steps) {
    const Node& node = input.graph.nodes()[step.node];
    if (step.fused) {
      steps.push_back(make_fused_step(input, step.group, kernel_name(graph::operations_of(input.graph, step))));
    } else if (const NodeKernel* kernel = node_kernel(node.op)) {
      steps.push_back(kernel->make(input, step));
    } else {
      return Error{Code::internal, input.graph.scope_name(node.scope),
                   fmt::format("{}: the CUDA executor has no kernel for it", info(node.op).name)};
    }
  }
  return steps;
}

// A copy in bfloat16 is made by the first step that reads it and kept until the last one has.
void CompiledGraph::make_shadows(const CompileInput& input, std::vector<CudaStep>& steps) {
  shadow_block_.assign(input.graph.value_count(), kNone);
  for (std::uint32_t i = 0; i < steps.size(); ++i) {
    std::vector<Value> fresh;
    for_places(steps[i], [&](Place& place) {
      if (place.space != Space::shadow) return;
      std::uint32_t& block = shadow_block_[place.value];
      if (block == kNone) {
        block = static_cast<std::uint32_t>(blocks_.size());
        blocks_.push_back({static_cast<std::size_t>(graph::elements_in_memory(input.graph, input.partition, place.value)) * 2, i, i});
        fresh.push_back(place.value);
      }
      blocks_[block].last = i;
    });
    for (const Value value : fresh) {
      append(steps[i], shadow_step(input, value));
      std::rotate(steps[i].commands.begin(), steps[i].commands.end() - 1, steps[i].commands.end());
    }
  }
}

void CompiledGraph::make_bindings(const CompileInput& input, std::vector<CudaStep>& outputs) {
  for (const graph::Leaf& leaf : input.graph.leaves()) {
    const bool updated = std::ranges::any_of(input.graph.updates(),
                                             [&](const graph::Update& update) { return update.leaf == leaf.value; });
    bindings_.push_back({leaf.name, leaf.value, input.graph.shape(leaf.value).elements(), 0, updated});
  }
  for (const graph::Output& output : input.graph.outputs()) {
    const auto number = static_cast<Value>(bindings_.size());
    // An output may be tied to any multiple of 4 bytes.
    const Place to{Space::output, number, 4};
    CudaStep step;
    const char* type = input.graph.dtype(output.value) == graph::DType::i32 ? "int" : "float";
    add_copy(input, input.partition.views[output.value], {to, type, 1, 1, 0}, step);
    for_places(step, [](Place& place) {
      if (place.space == Space::output) place.bytes = 0;
    });
    bindings_.push_back({output.name, 0, input.graph.shape(output.value).elements(), outputs.size(), false});
    outputs.push_back(std::move(step));
  }
}

Result<void> CompiledGraph::load_kernels(Unplaced& parts, Device& device) {
  std::vector<CudaStep*> steps;
  for (CudaStep& step : parts.steps) steps.push_back(&step);
  for (CudaStep& step : parts.outputs) steps.push_back(&step);
  steps.push_back(&parts.before);
  steps.push_back(&parts.after);
  std::vector<KernelSource> sources;
  for (const CudaStep* step : steps) sources.insert(sources.end(), step->kernels.begin(), step->kernels.end());
  auto ids = device.load(sources);
  if (!ids) return ids.error();
  std::size_t first = 0;
  for (CudaStep* step : steps) {
    for (Command& command : step->commands) {
      if (auto* launch = std::get_if<LaunchCommand>(&command)) launch->kernel = (*ids)[first + launch->kernel];
    }
    first += step->kernels.size();
  }
  return {};
}

// Products get plan and workspace; scratch becomes a block, for now by its number.
Result<CompiledGraph::PlacedStep> CompiledGraph::finished(CudaStep step, std::uint32_t number, Device& device) {
  std::size_t workspace = 0;
  const std::size_t own = round_up(step.scratch_bytes);
  for (Command& command : step.commands) {
    auto* product = std::get_if<ProductCommand>(&command);
    if (product == nullptr) continue;
    auto plan = device.plan(product->product);
    if (!plan) return plan.error();
    product->plan = plan->id;
    product->workspace = own;
    workspace = std::max(workspace, plan->workspace_bytes);
  }
  PlacedStep placed;
  placed.scratch = blocks_.size();
  blocks_.push_back({own + workspace, number, number});
  placed.commands = std::move(step.commands);
  placed.cost = step.cost;
  return placed;
}

Result<void> CompiledGraph::fill_constants(const CompileInput& input, Device& device) {
  const Graph& graph = input.graph;
  constant_offset_.assign(graph.value_count(), 0);
  std::vector<std::byte> bytes;
  for (const Node& node : graph.nodes()) {
    if (node.op != graph::Op::constant) continue;
    const Value value = node.first_output;
    const std::vector<std::uint32_t> words = graph::constant_words(graph, input.partition, value);
    constant_offset_[value] = bytes.size();
    bytes.resize(round_up(bytes.size() + words.size() * 4));
    std::memcpy(bytes.data() + constant_offset_[value], words.data(), words.size() * 4);
  }
  auto memory = device.allocate(std::max<std::size_t>(bytes.size(), 1), "constants");
  if (!memory) return memory.error();
  constants_ = std::move(*memory);
  return device.upload(constants_->data(), bytes);
}

int CompiledGraph::find(std::string_view name) const {
  const auto found = std::ranges::find(bindings_, name, &Binding::name);
  return found != bindings_.end() ? static_cast<int>(found - bindings_.begin()) : -1;
}

}  // namespace caddie::cuda
