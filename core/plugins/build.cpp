#include "core/plugins/build.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace caddie::plugins {

using graph::Value;

Build::Build(const Dims& dims, const BuildRequest& request, const std::vector<BlockInstance>* blocks)
    : dims_(dims), request_(request), blocks_(blocks) {}

void Build::fail(Code code, std::string text) { graph().fail({code, graph().current_scope(), std::move(text)}); }

// ---- visits ---------------------------------------------------------------------------------------------------------

void Build::set_visits(std::vector<int> layers, int encoder) {
  result_.visits = std::move(layers);
  result_.encoder_visits = encoder;
}

void Build::enter_visit(int visit) { visit_ = visit; }
void Build::set_instance(std::string name) { instance_ = std::move(name); }
void Build::set_state_prefix(std::string prefix) { state_prefix_ = std::move(prefix); }

const std::string& Build::instance() const { return running_.empty() ? instance_ : running_.back().instance; }

caddie_build_info Build::info() const {
  caddie_build_info info = {};
  info.struct_size = sizeof info;
  info.mode = request_.mode;
  info.batch = request_.batch;
  info.context = request_.context;
  info.vocab = dims_.vocab;
  info.dim = dims_.dim;
  info.heads = dims_.heads;
  info.kv_heads = dims_.kv_heads;
  info.head_dim = dims_.head_dim;
  info.layers = dims_.layers;
  info.visits = static_cast<std::int32_t>(result_.visits.size());
  info.encoder_visits = result_.encoder_visits;
  info.visit = visit_;
  info.layer = visit_ < 0 ? -1 : result_.visits[static_cast<std::size_t>(visit_)];
  info.bos = dims_.bos;
  info.part = running_.empty() ? "" : running_.back().part.c_str();
  return info;
}

// ---- hooks ----------------------------------------------------------------------------------------------------------

bool Build::applies(const BlockInstance& block, const HookInfo* hook) const {
  if (!block.modes.empty() && std::ranges::find(block.modes, request_.mode) == block.modes.end()) return false;
  const bool in_layer = hook == nullptr ? visit_ >= 0 : hook->place == HookPlace::layer && visit_ >= 0;
  if (!in_layer || !block.layers) return true;
  const int layer = result_.visits[static_cast<std::size_t>(visit_)];
  return std::ranges::find(*block.layers, layer) != block.layers->end();
}

std::vector<const BlockInstance*> Build::attached(std::string_view hook, std::vector<const Attachment*>* functions) const {
  struct Found {
    const BlockInstance* block;
    const Attachment* attachment;
  };
  std::vector<Found> found;
  const HookInfo* known = find_hook(hook);
  for (const BlockInstance& block : *blocks_) {
    if (!applies(block, known)) continue;
    for (const Attachment& attachment : block.attachments) {
      if (attachment.hook == hook) found.push_back({&block, &attachment});
    }
  }
  std::ranges::stable_sort(found, {}, [](const Found& entry) { return entry.attachment->phase; });
  std::vector<const BlockInstance*> blocks;
  for (const Found& entry : found) {
    blocks.push_back(entry.block);
    functions->push_back(entry.attachment);
  }
  return blocks;
}

bool Build::has_hook(std::string_view hook) const {
  std::vector<const Attachment*> functions;
  return !attached(hook, &functions).empty();
}

namespace {

// Takes a plugin's report into the graph's sticky error.
void keep_error(graph::Graph& graph, caddie_code code, const caddie_error& error, std::string_view where) {
  const char* text = error.text[0] != '\0' ? error.text : "the plugin reported an error without a text";
  graph.fail({static_cast<Code>(code), std::string(where), text});
}

caddie_error empty_error() {
  caddie_error error = {};
  error.struct_size = sizeof error;
  return error;
}

}  // namespace

void Build::call(const BlockInstance& block, const Attachment& attachment, std::string_view part,
                 const std::vector<Value>& inputs, std::vector<Value>& outputs) {
  if (graph().failed()) return;
  graph().push_scope(block.name);
  running_.push_back({block.name, std::string(part)});
  caddie_error error = empty_error();
  const caddie_code code =
      attachment.function(attachment.user, to_abi(this), inputs.data(), static_cast<std::uint32_t>(inputs.size()),
                          outputs.data(), static_cast<std::uint32_t>(outputs.size()), &error);
  const std::string where = graph().current_scope();
  if (code != CADDIE_OK) keep_error(graph(), code, error, where);
  for (const Value output : outputs) {
    if (!graph().failed() && !graph().is_valid(output)) {
      fail(Code::argument, fmt::format("the block gave no value for the hook \"{}\"", attachment.hook));
    }
  }
  if (!graph().failed()) {
    result_.calls.push_back({block.name, attachment.hook, attachment.kind, visit_, inputs, outputs});
  }
  running_.pop_back();
  graph().pop_scope();
}

std::vector<Value> Build::provide(const std::vector<const BlockInstance*>& blocks, const std::vector<const Attachment*>& functions,
                                  std::string_view hook, std::string_view part, const std::vector<Value>& inputs,
                                  std::size_t output_count) {
  // A block limited to some layers stands before one that serves all.
  const auto limited = [&](std::size_t i) { return blocks[i]->layers.has_value() ? 1 : 0; };
  std::size_t chosen = 0;
  for (std::size_t i = 1; i < blocks.size(); ++i) {
    if (limited(i) > limited(chosen)) chosen = i;
  }
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (i != chosen && limited(i) == limited(chosen)) {
      fail(Code::argument, fmt::format("the blocks \"{}\" and \"{}\" both provide the hook \"{}\"{}; only one may: remove one of "
                                       "them or limit it with \"layers\"",
                                       blocks[chosen]->name, blocks[i]->name, hook,
                                       visit_ < 0 ? std::string() : fmt::format(" for layer {}", info().layer)));
    }
  }
  std::vector<Value> outputs(output_count, 0);
  call(*blocks[chosen], *functions[chosen], part, inputs, outputs);
  return outputs;
}

std::vector<Value> Build::run_hook(std::string_view hook, std::string_view part, std::vector<Value> inputs,
                                   std::size_t output_count) {
  std::vector<Value> none(output_count, 0);
  if (graph().failed()) return none;
  std::vector<const Attachment*> functions;
  const std::vector<const BlockInstance*> blocks = attached(hook, &functions);
  const HookInfo* known = find_hook(hook);
  const bool provides = known != nullptr ? known->kind == HookKind::provide
                                         : !functions.empty() && functions.front()->kind == HookKind::provide;
  if (provides) {
    if (blocks.empty()) {
      fail(Code::argument, fmt::format("no block provides the hook \"{}\"{}; add one to \"blocks\"", hook,
                                       visit_ < 0 ? std::string() : fmt::format(" for layer {}", info().layer)));
      return none;
    }
    return provide(blocks, functions, hook, part, inputs, output_count);
  }
  if (output_count > inputs.size()) {
    fail(Code::argument, fmt::format("the hook \"{}\" has {} inputs and cannot give {} values", hook, inputs.size(), output_count));
    return none;
  }
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    std::vector<Value> outputs(output_count, 0);
    call(*blocks[i], *functions[i], part, inputs, outputs);
    if (graph().failed()) return none;
    for (std::size_t k = 0; k < output_count; ++k) {
      if (graph().shape(outputs[k]) != graph().shape(inputs[k]) || graph().dtype(outputs[k]) != graph().dtype(inputs[k])) {
        fail(Code::shape, fmt::format("the block \"{}\" turned a value of the hook \"{}\" from {} into {}; a chain keeps shapes",
                                      blocks[i]->name, hook, graph().shape(inputs[k]).text(), graph().shape(outputs[k]).text()));
        return none;
      }
      inputs[k] = outputs[k];
    }
  }
  inputs.resize(output_count);
  return inputs;
}

Result<caddie_visit_plan> Build::run_plan(std::string_view hook, caddie_visit_plan plan) {
  std::vector<const Attachment*> functions;
  const std::vector<const BlockInstance*> blocks = attached(hook, &functions);
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (functions[i]->plan == nullptr) continue;
    running_.push_back({blocks[i]->name, ""});
    caddie_error error = empty_error();
    const caddie_visit_plan before = plan;
    const caddie_code code = functions[i]->plan(functions[i]->user, to_abi(this), &plan, &error);
    running_.pop_back();
    if (code != CADDIE_OK) return Error{static_cast<Code>(code), blocks[i]->name, error.text};
    const bool bad_count = plan.count == 0 || plan.count > CADDIE_MAX_VISITS || plan.encoder > plan.count;
    const bool bad_layer = !bad_count && std::any_of(plan.layers, plan.layers + plan.count, [&](std::int32_t layer) {
      return layer < 0 || layer >= dims_.layers;
    });
    if (bad_count || bad_layer) {
      return Error{Code::argument, blocks[i]->name,
                   fmt::format("made a plan of {} visits ({} in the encoder half) that does not fit {} layers", plan.count,
                               plan.encoder, dims_.layers)};
    }
    const bool same = before.count == plan.count && before.encoder == plan.encoder &&
                      std::equal(plan.layers, plan.layers + plan.count, before.layers);
    if (!same) result_.planners.push_back(blocks[i]->name);
  }
  return plan;
}

// ---- wires, tensors, scalars ------------------------------------------------------------------------------------------

Value Build::wire(std::string_view name) const {
  return result_.wire(std::string(name));
}

void Build::set_wire(std::string_view name, Value value) { result_.wires[std::string(name)] = value; }

std::string Build::tensor_path(const caddie_tensor_spec& spec, bool state) const {
  const bool in_layer = visit_ >= 0 && (spec.flags & CADDIE_TENSOR_GLOBAL) == 0;
  std::string path = in_layer ? fmt::format("blocks.{}.{}.{}", info().layer, instance(), spec.name)
                              : fmt::format("{}.{}", instance(), spec.name);
  if (!state) return path;
  if (running_.empty() && !state_prefix_.empty()) path = fmt::format("{}.{}.{}", instance(), state_prefix_, spec.name);
  return "state/" + path;
}

Value Build::declare(const caddie_tensor_spec& spec, bool state) {
  if (graph().failed()) return 0;
  const std::string path = tensor_path(spec, state);
  const graph::Shape shape(std::span(spec.lengths, std::min<std::size_t>(spec.rank, graph::Shape::kMaxRank)));
  const auto dtype = static_cast<graph::DType>(spec.dtype);
  const bool known_type = dtype == graph::DType::f32 || (state && dtype == graph::DType::i32);
  const bool bad_length = std::ranges::any_of(shape.lengths(), [](std::int64_t length) { return length < 1; });
  if (spec.rank > graph::Shape::kMaxRank || bad_length || !known_type) {
    fail(Code::shape, fmt::format("\"{}\" cannot have shape {} and type {}: lengths are at least 1, parameters are f32", path,
                                  shape.text(), spec.dtype));
    return 0;
  }
  if (const auto found = tensors_.find(path); found != tensors_.end()) {
    if (graph().shape(found->second) == shape && graph().dtype(found->second) == dtype) return found->second;
    fail(Code::shape, fmt::format("\"{}\" is declared twice, as {} and as {}", path, graph().shape(found->second).text(), shape.text()));
    return 0;
  }
  TensorDeclaration tensor;
  tensor.path = path;
  tensor.role = spec.role == nullptr ? "" : spec.role;
  tensor.instance = instance();
  tensor.layer = visit_ >= 0 && (spec.flags & CADDIE_TENSOR_GLOBAL) == 0 ? info().layer : -1;
  tensor.dtype = dtype;
  tensor.shape = shape;
  tensor.initialiser.kind = spec.initialiser.kind;
  tensor.initialiser.a = spec.initialiser.a;
  tensor.initialiser.b = spec.initialiser.b;
  if (spec.initialiser.kind == CADDIE_INIT_VALUES) {
    if (spec.initialiser.values == nullptr) {
      fail(Code::argument, fmt::format("\"{}\" is to start from a list of values, but none is given", path));
      return 0;
    }
    tensor.initialiser.values.assign(spec.initialiser.values, spec.initialiser.values + shape.elements());
  }
  if (spec.initialiser.kind == CADDIE_INIT_COPY) {
    const auto source = tensor_of_value_.find(spec.initialiser.copy);
    if (!state || source == tensor_of_value_.end() || graph().shape(spec.initialiser.copy) != shape) {
      fail(Code::argument, fmt::format("\"{}\" is to start as a copy, which only a state can, of a parameter of its shape", path));
      return 0;
    }
    tensor.initialiser.copy = source->second;
  }
  const Value value = graph().leaf(state ? graph::LeafKind::state : graph::LeafKind::parameter, path, dtype, shape);
  tensors_.emplace(path, value);
  tensor_of_value_.emplace(value, path);
  (state ? result_.states : result_.parameters).push_back(std::move(tensor));
  return value;
}

Value Build::declare_parameter(const caddie_tensor_spec& spec) { return declare(spec, false); }
Value Build::declare_bank(const std::string& name, const graph::Shape& shape) {
  const Value value = graph().leaf(graph::LeafKind::parameter, name, graph::DType::f32, shape);
  tensor_of_value_.emplace(value, name);
  return value;
}

Value Build::declare_state(const caddie_tensor_spec& spec) { return declare(spec, true); }

void Build::set_state(Value state, Value next) {
  if (graph().failed()) return;
  graph().update(state, next);
}

Value Build::step_scalar(std::string_view name, caddie_step_function function, void* user) {
  if (graph().failed()) return 0;
  const std::string leaf = fmt::format("scalar/{}.{}", instance(), name);
  if (const auto found = tensors_.find(leaf); found != tensors_.end()) return found->second;
  const Value value = graph().leaf(graph::LeafKind::input, leaf, graph::DType::f32, {});
  tensors_.emplace(leaf, value);
  result_.scalars.push_back({leaf, function, user});
  return value;
}

Value Build::linear(Value x, const caddie_tensor_spec& spec) {
  const Value parameter = declare_parameter(spec);
  if (parameter == 0) return 0;
  const std::string path = tensor_path(spec, false);
  const Value weight = run_hook("weight", path, {parameter}, 1)[0];
  const Value product = graph().emit(graph::Op::linear, {x, weight});
  if (product == 0) return 0;
  return run_hook("linear", path, {product, x}, 1)[0];
}

bool Build::progress_reached(double fraction) {
  result_.progress_thresholds.insert(fraction);
  return request_.mode != CADDIE_MODE_TRAIN || request_.progress >= fraction;
}

bool Build::scale_below(double scale) {
  result_.scale_thresholds.insert(scale);
  return request_.mode != CADDIE_MODE_TRAIN || request_.scale < scale;
}

}  // namespace caddie::plugins
