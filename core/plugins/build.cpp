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

void Build::set_final_visits(std::vector<int> layers, int encoder) {
  result_.final_visits = std::move(layers);
  result_.final_encoder_visits = encoder;
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
  const bool planned = !result_.final_visits.empty();
  info.final_visits = planned ? static_cast<std::int32_t>(result_.final_visits.size()) : info.visits;
  info.final_encoder_visits = planned ? result_.final_encoder_visits : info.encoder_visits;
  return info;
}

// ---- wires, tensors, scalars ------------------------------------------------------------------------------------------

Value Build::wire(std::string_view name) {
  const auto setter = wire_setter_.find(name);
  if (setter != wire_setter_.end() && setter->second != instance()) result_.effects.insert(setter->second);
  return result_.wire(std::string(name));
}

void Build::set_wire(std::string_view name, Value value) {
  result_.wires[std::string(name)] = value;
  wire_setter_.insert_or_assign(std::string(name), instance());
}

void Build::note(const char* key, const char* json) {
  if (key == nullptr || json == nullptr) return fail(Code::argument, "a note without a key or without a text");
  const auto same = [&](const Note& note) { return note.instance == instance() && note.visit == visit_ && note.key == key; };
  const auto found = std::ranges::find_if(result_.notes, same);
  if (found == result_.notes.end()) {
    result_.notes.push_back({instance(), key, visit_, json});
  } else {
    found->json = json;
  }
}

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
  if (!set_start(tensor, spec, state)) return 0;
  const Value value = graph().leaf(state ? graph::LeafKind::state : graph::LeafKind::parameter, path, dtype, shape);
  tensors_.emplace(path, value);
  tensor_of_value_.emplace(value, path);
  (state ? result_.states : result_.parameters).push_back(std::move(tensor));
  return value;
}

bool Build::set_start(TensorDeclaration& tensor, const caddie_tensor_spec& spec, bool state) {
  caddie_initialiser start = spec.initialiser;
  if (!state) {
    const auto decided = run_init(spec, tensor.path);
    if (!decided) {
      graph().fail(decided.error());
      return false;
    }
    start = *decided;
  }
  tensor.initialiser.kind = start.kind;
  tensor.initialiser.a = start.a;
  tensor.initialiser.b = start.b;
  if (start.kind == CADDIE_INIT_VALUES) {
    if (start.values == nullptr) {
      fail(Code::argument, fmt::format("\"{}\" is to start from a list of values, but none is given", tensor.path));
      return false;
    }
    tensor.initialiser.values.assign(start.values, start.values + tensor.shape.elements());
  }
  if (start.kind == CADDIE_INIT_COPY) {
    const auto source = tensor_of_value_.find(start.copy);
    const bool known = state && source != tensor_of_value_.end();
    if (!known || graph().shape(start.copy) != tensor.shape || graph().dtype(start.copy) != tensor.dtype) {
      fail(Code::argument,
           fmt::format("\"{}\" is to start as a copy, which only a state can, of a parameter of its shape and type",
                       tensor.path));
      return false;
    }
    tensor.initialiser.copy = source->second;
  }
  return true;
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
  return at_end_ || request_.mode != CADDIE_MODE_TRAIN || request_.progress >= fraction;
}

bool Build::scale_below(double scale) {
  result_.scale_thresholds.insert(scale);
  return at_end_ || request_.mode != CADDIE_MODE_TRAIN || request_.scale < scale;
}

}  // namespace caddie::plugins
