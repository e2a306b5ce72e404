#include "core/plugins/model.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/graph/emitter.hpp"
#include "core/plugins/call.hpp"

namespace caddie::plugins {

using graph::DType;
using graph::LeafKind;
using graph::Shape;
using graph::Value;

namespace {

// Collects what a block attaches while its attach() runs.
struct Collector {
  std::vector<Attachment> attachments;
  std::string error;
};

Collector* collector_of(caddie_hooks* hooks) { return reinterpret_cast<Collector*>(hooks); }

caddie_code take(caddie_hooks* hooks, const char* name, HookKind kind, Attachment attachment) {
  Collector& collector = *collector_of(hooks);
  const HookInfo* known = find_hook(name);
  if (known != nullptr && known->kind != kind) {
    static constexpr const char* kinds[] = {"plan", "provide", "chain", "init"};
    collector.error = fmt::format("the hook \"{}\" is of kind {}, not {}", name, kinds[static_cast<int>(known->kind)],
                                  kinds[static_cast<int>(kind)]);
    return CADDIE_ERROR_ARGUMENT;
  }
  attachment.hook = name;
  attachment.kind = kind;
  collector.attachments.push_back(std::move(attachment));
  return CADDIE_OK;
}

caddie_code provide(caddie_hooks* hooks, const char* name, caddie_hook_function function, void* user) {
  return take(hooks, name, HookKind::provide, {.function = function, .user = user});
}

caddie_code chain(caddie_hooks* hooks, const char* name, int32_t phase, caddie_hook_function function, void* user) {
  return take(hooks, name, HookKind::chain, {.phase = phase, .function = function, .user = user});
}

caddie_code plan(caddie_hooks* hooks, const char* name, caddie_plan_function function, void* user) {
  return take(hooks, name, HookKind::plan, {.plan = function, .user = user});
}

caddie_code init(caddie_hooks* hooks, const char* name, caddie_init_function function, void* user) {
  return take(hooks, name, HookKind::init, {.init = function, .user = user});
}

constexpr caddie_host_hooks kHooksService = {sizeof(caddie_host_hooks), 0, provide, chain, plan, init};

// "at": another hook for the block's single chain attachment.
Result<void> move_attachment(BlockInstance& block, const std::string& at) {
  const HookInfo* target = find_hook(at);
  const auto is_chain = [](const Attachment& attachment) { return attachment.kind == HookKind::chain; };
  if (std::ranges::count_if(block.attachments, is_chain) != 1) {
    return Error{Code::argument, block.name, "\"at\" can only move a block that is attached to exactly one chain"};
  }
  Attachment& attachment = *std::ranges::find_if(block.attachments, is_chain);
  const HookInfo* own = find_hook(attachment.hook);
  if (target != nullptr && (target->kind != HookKind::chain || (own != nullptr && own->inputs.size() != target->inputs.size()))) {
    return Error{Code::argument, block.name, fmt::format("cannot be moved from \"{}\" to \"{}\": the hooks have other values", attachment.hook, at)};
  }
  attachment.hook = at;
  return {};
}

Result<BlockInstance> attach_one(const BlockEntry& entry) {
  BlockInstance block;
  block.name = entry.object->instance();
  block.layers = entry.layers;
  block.modes = entry.modes;
  Collector collector;
  caddie_error error = fresh_error();
  const auto& table = entry.object->table<caddie_block>();
  const caddie_code code =
      guarded(error, [&] {
        return table.attach(entry.object->abi(), &kHooksService, reinterpret_cast<caddie_hooks*>(&collector), &error);
      });
  if (!collector.error.empty()) return Error{Code::argument, block.name, collector.error};
  if (code != CADDIE_OK) return to_error(code, error, block.name);
  block.attachments = std::move(collector.attachments);
  if (!entry.at.empty()) {
    if (auto moved = move_attachment(block, entry.at); !moved) return moved.error();
  }
  return block;
}

caddie_visit_plan default_plan(int layers) {
  caddie_visit_plan plan = {};
  plan.struct_size = sizeof plan;
  plan.count = static_cast<uint32_t>(layers);
  plan.encoder = plan.count / 2;
  for (int layer = 0; layer < layers; ++layer) plan.layers[layer] = layer;
  return plan;
}

Result<void> plan_visits(Build& build) {
  const caddie_visit_plan start = default_plan(build.dims().layers);
  const auto last = build.run_final_plan("plan.visits", start);
  if (!last) return last.error();
  const auto plan = build.run_plan("plan.visits", start);
  if (!plan) return plan.error();
  build.set_final_visits({last->layers, last->layers + last->count}, static_cast<int>(last->encoder));
  build.set_visits({plan->layers, plan->layers + plan->count}, static_cast<int>(plan->encoder));
  return {};
}

Value one(Build& build, std::string_view hook, std::string_view part, std::vector<Value> inputs) {
  return build.run_hook(hook, part, std::move(inputs), 1)[0];
}

Value build_stream(Build& build, Value tokens) {
  Value x = one(build, "embed", "", {tokens});
  x = one(build, "embed.out", "", {x});
  x = one(build, "norm", "embed", {x});
  x = one(build, "stream.in", "", {x});
  build.set_wire("x0", x);
  const int visits = static_cast<int>(build.visits().size());
  for (int visit = 0; visit < visits; ++visit) {
    build.enter_visit(visit);
    build.graph().push_scope(fmt::format("blocks.{}", build.visits()[static_cast<std::size_t>(visit)]));
    x = one(build, "layer.in", "", {x});
    x = one(build, "layer", "", {x});
    x = one(build, "layer.out", "", {x});
    build.graph().pop_scope();
  }
  build.enter_visit(-1);
  return one(build, "stream.out", "", {x});
}

// The training loss: mean over tokens of nll * weight, and what the blocks add.
void build_loss(Build& build, const std::vector<Value>& per_token) {
  const graph::Emitter emit{build.graph()};
  const Shape rows = {build.request().batch, build.request().context};
  std::vector<Value> weight_inputs = {emit.filled(rows, 1.0)};
  weight_inputs.insert(weight_inputs.end(), per_token.begin(), per_token.end());
  const Value weight = one(build, "loss.weight", "", weight_inputs);
  const Value sum = emit.reduce(graph::Op::reduce_sum, emit.mul(per_token[0], weight), {}, false);
  const Value mean = emit.scale(sum, 1.0 / static_cast<double>(rows.elements()));
  std::vector<Value> term_inputs = {mean};
  term_inputs.insert(term_inputs.end(), per_token.begin(), per_token.end());
  build.set_wire("loss", one(build, "loss.term", "", term_inputs));
}

}  // namespace

Result<Model> Model::attach(const Dims& dims, const std::vector<BlockEntry>& blocks) {
  if (dims.layers < 1 || dims.layers > CADDIE_MAX_VISITS) {
    return Error{Code::argument, "/model/layers", fmt::format("{} layers; 1 to {} are possible", dims.layers, int{CADDIE_MAX_VISITS})};
  }
  Model model;
  model.dims_ = dims;
  for (const BlockEntry& entry : blocks) {
    auto block = attach_one(entry);
    if (!block) return block.error();
    model.blocks_.push_back(std::move(*block));
  }
  return model;
}

Model Model::of(const Dims& dims, std::vector<BlockInstance> blocks) {
  Model model;
  model.dims_ = dims;
  model.blocks_ = std::move(blocks);
  return model;
}

Result<BuildResult> Model::build(const BuildRequest& request) const {
  Build build(dims_, request, &blocks_);
  graph::Graph& graph = build.graph();
  if (auto planned = plan_visits(build); !planned) return planned.error();

  const Shape rows = {request.batch, request.context};
  const Value tokens = graph.leaf(LeafKind::input, "tokens", DType::i32, rows);
  const Value targets = graph.leaf(LeafKind::input, "targets", DType::i32, rows);
  build.set_wire("tokens", tokens);
  build.set_wire("targets", targets);
  if (request.segments) build.set_wire("segments", graph.leaf(LeafKind::input, "segments", DType::i32, rows));

  const Value stream = build_stream(build, tokens);
  const Value normed = one(build, "norm", "head", {stream});
  const Value logits = one(build, "logits", "", {one(build, "head", "", {normed})});
  build.set_wire("logits", logits);
  const std::vector<Value> per_token = build.run_hook("loss.token", "", {logits, targets}, 3);
  build.set_wire("nll", per_token[0]);
  build.set_wire("lse", per_token[1]);
  build.set_wire("entropy", per_token[2]);
  if (request.mode == CADDIE_MODE_TRAIN || request.mode == CADDIE_MODE_ADAPT) build_loss(build, per_token);
  if (auto status = build.status(); !status) return status.error();
  return build.take();
}

}  // namespace caddie::plugins
