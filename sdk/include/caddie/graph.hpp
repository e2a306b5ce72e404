// Building graphs: Value is a tensor to be, Graph makes values and tells what is known while building.
//
// Both are cheap handles that live while a hook or an update runs. A mistake makes every later value "none"; the host
// reports the first one with operation, shapes and scope, so plugin code needs no checks. [setup] thread only.
#pragma once

#include <caddie/abi.h>
#include <caddie/json_text.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace caddie {

class Graph;
using Lengths = std::vector<int64_t>;
using Step = caddie_step;

enum class Mode { train = CADDIE_MODE_TRAIN, evaluate = CADDIE_MODE_EVALUATE, calibrate = CADDIE_MODE_CALIBRATE, adapt = CADDIE_MODE_ADAPT };

// Thrown by plugin code for a mistake of its user; the text says what is wrong and what to do.
struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Opcodes by name, from the op table.
enum class Op : uint32_t {
#define CADDIE_OP(name, code, inputs, outputs, attributes, kind, text) name = code,
#include <caddie/ops.def>
#undef CADDIE_OP
};

// A tensor of the graph. Arithmetic broadcasts as NumPy does.
class Value {
 public:
  Value() = default;
  Value(const Graph* graph, caddie_value id) : graph_(graph), id_(id) {}

  [[nodiscard]] caddie_value id() const { return id_; }
  explicit operator bool() const { return id_ != 0; }
  [[nodiscard]] const Graph& graph() const { return *graph_; }

  [[nodiscard]] Lengths shape() const;
  [[nodiscard]] int64_t rank() const { return static_cast<int64_t>(shape().size()); }
  // The length of an axis; negative axes count from the end. 0 when there is no such axis.
  [[nodiscard]] int64_t dim(int64_t axis) const;
  // const auto [B, T, D] = x.dims<3>(); a mistake when the rank is another.
  template <std::size_t N>
  [[nodiscard]] std::array<int64_t, N> dims() const;

  [[nodiscard]] Value reshape(const Lengths& shape) const;
  [[nodiscard]] Value transpose(const Lengths& axes) const;
  // [begin, end) along one axis; negative axes and ends count from the end.
  [[nodiscard]] Value slice(int64_t axis, int64_t begin, int64_t end) const;
  // The values one position earlier along an axis; zeros come in at the front.
  [[nodiscard]] Value shift(int64_t axis) const;

 private:
  const Graph* graph_ = nullptr;
  caddie_value id_ = 0;
};

// How a parameter or state starts.
struct Init {
  int32_t kind = CADDIE_INIT_ZEROS;
  double a = 0;
  double b = 0;
  caddie_value copy = 0;
  std::vector<double> values = {};

  static Init zeros() { return {}; }
  static Init ones() { return constant(1); }
  static Init constant(double value) { return {CADDIE_INIT_CONSTANT, value, 0}; }
  static Init normal(double mean, double std) { return {CADDIE_INIT_NORMAL, mean, std}; }
  static Init uniform(double low, double high) { return {CADDIE_INIT_UNIFORM, low, high}; }
  // What a linear map of I inputs starts with where nothing else is said: uniform within 1/sqrt(I).
  static Init fan_in(int64_t inputs) {
    const double bound = 1 / std::sqrt(static_cast<double>(inputs));
    return uniform(-bound, bound);
  }
  // Rows or columns orthonormal, whichever are fewer, times gain (Saxe et al. 2013, arXiv:1312.6120).
  static Init orthogonal(double gain = 1) { return {CADDIE_INIT_ORTHOGONAL, gain, 0}; }
  static Init list(std::vector<double> values) { return {CADDIE_INIT_VALUES, 0, 0, 0, std::move(values)}; }
  // States only: starts as the parameter starts.
  static Init copy_of(Value parameter) { return {CADDIE_INIT_COPY, 0, 0, parameter.id()}; }
};

enum class Scope { layer, model };  // one tensor for each layer, or one for the whole model

struct CrossEntropy {
  Value nll, lse, entropy;
};

// Keeps functions alive as long as the plugin object that made them.
using StepFunctions = std::vector<std::unique_ptr<std::function<double(const Step&)>>>;

class Graph {
 public:
  // The host's tables for one build; made by the SDK.
  struct Tables {
    const caddie_host_graph* graph = nullptr;
    const caddie_host_build* build = nullptr;
    StepFunctions* step_functions = nullptr;
    const caddie_host_kernel* kernel = nullptr;  // nullptr when the host has none
  };
  Graph(Tables tables, caddie_build* build) : tables_(tables), build_(build), graph_(tables.build->graph(build)) {
    info_.struct_size = sizeof info_;
    tables_.build->info(build_, &info_);
  }
  // For the reference and the gradient of a custom kernel: operations alone.
  Graph(Tables tables, caddie_graph* graph) : tables_(tables), build_(nullptr), graph_(graph) { info_.part = ""; }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  // ---- what is being built ----------------------------------------------------------------------------------
  [[nodiscard]] Mode mode() const { return static_cast<Mode>(info_.mode); }
  [[nodiscard]] bool training() const { return mode() == Mode::train; }
  [[nodiscard]] const caddie_build_info& info() const { return info_; }
  [[nodiscard]] int layer() const { return info_.layer; }
  [[nodiscard]] int layers() const { return info_.layers; }
  [[nodiscard]] std::string part() const { return info_.part; }
  // In evaluation: as at the end of the run.
  [[nodiscard]] bool progress_reached(double fraction) const { return build().progress_reached(build_, fraction) != 0; }
  [[nodiscard]] bool scale_below(double scale) const { return build().scale_below(build_, scale) != 0; }
  // A fact about what is built, for `caddie plan`. It belongs to the visit that is being built.
  void note(const char* key, double value) const { note_json(key, detail::number_text(value)); }
  void note(const char* key, const char* text) const { note_json(key, detail::quoted(text)); }
  void note(const char* key, std::initializer_list<double> list) const { note_json(key, detail::list_text(list)); }

  // ---- tensors that outlive a step --------------------------------------------------------------------------
  Value parameter(const char* name, const char* role, const Lengths& shape, const Init& init, Scope scope = Scope::layer) const;
  Value state(const char* name, const Lengths& shape, const Init& init = Init::zeros(), caddie_dtype dtype = CADDIE_F32,
              Scope scope = Scope::layer) const;
  void set_state(Value state, Value next) const { build().set_state(build_, state.id(), next.id()); }
  // A number computed before every step.
  Value step_scalar(const char* name, std::function<double(const Step&)> function) const;

  // ---- wires and hooks --------------------------------------------------------------------------------------
  // Throws when the wire is not there: nothing set it before this hook.
  [[nodiscard]] Value wire(const char* name) const;
  [[nodiscard]] Value wire_or_none(const char* name) const { return {this, build().wire(build_, name)}; }
  void set_wire(const char* name, Value value) const { build().set_wire(build_, name, value.id()); }
  // Runs a hook with one result. `inputs`: the value first, then context.
  Value hook(const char* name, std::initializer_list<Value> inputs, const char* part = nullptr) const;
  // Runs a hook with N results.
  template <std::size_t N>
  std::array<Value, N> hook(const char* name, std::initializer_list<Value> inputs, const char* part = nullptr) const;
  [[nodiscard]] bool has_hook(const char* name) const { return build().has_hook(build_, name) != 0; }
  // x [..., I] times a new parameter [outputs, I], through the hooks "weight" and "linear".
  Value linear(Value x, const char* name, int64_t outputs, const Init& init, const char* role = "matrix",
               Scope scope = Scope::layer) const;

  // ---- operations (ops.def says what each means) ------------------------------------------------------------
  Value constant(double value) const { return constant({value}, {}); }
  Value constant(const std::vector<double>& values, const Lengths& shape, caddie_dtype dtype = CADDIE_F32) const;
  Value integer(int64_t value) const { return constant({static_cast<double>(value)}, {}, CADDIE_I32); }
  Value iota(const Lengths& shape, int64_t axis, caddie_dtype dtype = CADDIE_F32) const;
  Value uniform(const Lengths& shape, double low, double high) const;
  Value normal(const Lengths& shape, double mean, double std) const;

  Value neg(Value x) const { return emit(Op::neg, {x}); }
  Value abs(Value x) const { return emit(Op::abs, {x}); }
  Value sign(Value x) const { return emit(Op::sign, {x}); }
  Value exp(Value x) const { return emit(Op::exp, {x}); }
  Value log(Value x) const { return emit(Op::log, {x}); }
  Value sin(Value x) const { return emit(Op::sin, {x}); }
  Value cos(Value x) const { return emit(Op::cos, {x}); }
  Value tanh(Value x) const { return emit(Op::tanh, {x}); }
  Value sqrt(Value x) const { return emit(Op::sqrt, {x}); }
  Value rsqrt(Value x) const { return emit(Op::rsqrt, {x}); }
  Value recip(Value x) const { return emit(Op::recip, {x}); }
  Value floor(Value x) const { return emit(Op::floor, {x}); }
  Value round(Value x) const { return emit(Op::round, {x}); }
  Value sigmoid(Value x) const { return emit(Op::sigmoid, {x}); }
  Value round_bf16(Value x) const { return emit(Op::round_bf16, {x}); }
  Value stop_gradient(Value x) const { return emit(Op::stop_gradient, {x}); }
  Value to_float(Value x) const;
  Value to_integer(Value x) const;

  Value max(Value a, Value b) const { return emit(Op::max, {a, b}); }
  Value min(Value a, Value b) const { return emit(Op::min, {a, b}); }
  Value max(Value a, double b) const { return max(a, constant(b)); }
  Value min(Value a, double b) const { return min(a, constant(b)); }
  Value clamp(Value x, double low, double high) const { return min(max(x, low), high); }
  Value pow(Value a, Value b) const { return emit(Op::pow, {a, b}); }
  Value lt(Value a, Value b) const { return emit(Op::lt, {a, b}); }
  Value le(Value a, Value b) const { return emit(Op::le, {a, b}); }
  Value eq(Value a, Value b) const { return emit(Op::eq, {a, b}); }
  Value bit_xor(Value a, Value b) const { return emit(Op::bit_xor, {a, b}); }
  Value int_mod(Value a, Value b) const { return emit(Op::int_mod, {a, b}); }
  Value where(Value mask, Value a, Value b) const { return emit(Op::where, {mask, a, b}); }

  // Over all axes when none is named. `keep` leaves length-1 axes for broadcasting.
  Value sum(Value x, const Lengths& axes = {}, bool keep = false) const;
  Value mean(Value x, const Lengths& axes = {}, bool keep = false) const;
  Value reduce_max(Value x, const Lengths& axes = {}, bool keep = false) const;
  Value concat(const std::vector<Value>& parts, int64_t axis) const;
  Value broadcast(Value x, const Lengths& shape) const;
  Value pad(Value x, const Lengths& low, const Lengths& high, double value = 0) const;
  Value gather(Value table, Value index) const { return emit(Op::gather, {table, index}); }
  Value scatter_add(Value base, Value index, Value updates) const { return emit(Op::scatter_add, {base, index, updates}); }
  Value pick(Value x, Value index) const { return emit(Op::pick, {x, index}); }
  // General product: batch axes, then the rest of a, then the rest of b.
  Value dot(Value a, Value b, const Lengths& contract_a, const Lengths& contract_b, const Lengths& batch_a = {},
            const Lengths& batch_b = {}) const;
  // x [..., I] w [O, I] -> [..., O], with no hooks: for tensors that are not weights of this block.
  Value matmul(Value x, Value w) const { return emit(Op::linear, {x, w}); }
  Value rms_norm(Value x, double eps) const;
  // weight and bias [C], C the last axis of x.
  Value layer_norm(Value x, Value weight, Value bias, double eps) const;
  Value rope(Value x, Value cos, Value sin) const { return emit(Op::rope, {x, cos, sin}); }
  Value softmax(Value x) const { return emit(Op::softmax, {x}); }
  Value log_sum_exp(Value x) const { return emit(Op::log_sum_exp, {x}); }
  // q [B,T,H,D], k and v [B,T,K,D]; segments i32 [B,T] or none. y [B,T,H,D].
  Value attention(Value q, Value k, Value v, double scale, bool causal = true, Value segments = {}) const;
  CrossEntropy cross_entropy(Value logits, Value targets) const;

  // The one door to the host; attributes are built by the functions above.
  Value emit(Op op, std::initializer_list<Value> inputs, std::initializer_list<caddie_attribute> attributes = {}) const;
  Value emit(Op op, const std::vector<Value>& inputs, std::initializer_list<caddie_attribute> attributes) const;
  [[nodiscard]] caddie_shape describe(Value value) const;
  [[nodiscard]] const Tables& tables() const { return tables_; }
  [[nodiscard]] caddie_graph* abi() const { return graph_; }
  void fail(const std::string& text) const { tables_.graph->fail(graph_, CADDIE_ERROR_ARGUMENT, text.c_str()); }

 private:
  void note_json(const char* key, const std::string& json) const;
  [[nodiscard]] static caddie_tensor_spec spec(const char* name, const char* role, const Lengths& shape, const Init& init,
                                               Scope scope, caddie_dtype dtype);
  void run_hook(const char* name, const char* part, std::initializer_list<Value> inputs, caddie_value* outputs,
                std::size_t count) const;
  [[nodiscard]] const caddie_host_build& build() const {
    if (build_ == nullptr) throw Failure("the reference and the gradient of a kernel are made of operations alone");
    return *tables_.build;
  }

  Tables tables_;
  caddie_build* build_;
  caddie_graph* graph_;
  caddie_build_info info_ = {};
};

// ---- arithmetic ---------------------------------------------------------------------------------------------------

inline Value operator+(Value a, Value b) { return a.graph().emit(Op::add, {a, b}); }
inline Value operator-(Value a, Value b) { return a.graph().emit(Op::sub, {a, b}); }
inline Value operator*(Value a, Value b) { return a.graph().emit(Op::mul, {a, b}); }
inline Value operator/(Value a, Value b) { return a.graph().emit(Op::div, {a, b}); }
inline Value operator+(Value a, double b) { return a + a.graph().constant(b); }
inline Value operator-(Value a, double b) { return a - a.graph().constant(b); }
inline Value operator*(Value a, double b) { return a * a.graph().constant(b); }
inline Value operator/(Value a, double b) { return a * a.graph().constant(1 / b); }
inline Value operator+(double a, Value b) { return b.graph().constant(a) + b; }
inline Value operator-(double a, Value b) { return b.graph().constant(a) - b; }
inline Value operator*(double a, Value b) { return b.graph().constant(a) * b; }
inline Value operator/(double a, Value b) { return b.graph().constant(a) / b; }
inline Value operator-(Value a) { return a.graph().neg(a); }

// ---- Value --------------------------------------------------------------------------------------------------------

namespace detail {
inline caddie_attribute ints(const char* key, const Lengths& list) {
  caddie_attribute out = {};
  out.key = key;
  out.type = CADDIE_ATTRIBUTE_INTS;
  out.count = static_cast<uint32_t>(list.size());
  out.data.ints = list.data();
  return out;
}
inline caddie_attribute integer(const char* key, const int64_t& number) {
  caddie_attribute out = {};
  out.key = key;
  out.type = CADDIE_ATTRIBUTE_INT;
  out.count = 1;
  out.data.ints = &number;
  return out;
}
inline caddie_attribute real(const char* key, const double& number) {
  caddie_attribute out = {};
  out.key = key;
  out.type = CADDIE_ATTRIBUTE_FLOAT;
  out.count = 1;
  out.data.floats = &number;
  return out;
}
inline caddie_attribute reals(const char* key, const std::vector<double>& list) {
  caddie_attribute out = {};
  out.key = key;
  out.type = CADDIE_ATTRIBUTE_FLOATS;
  out.count = static_cast<uint32_t>(list.size());
  out.data.floats = list.data();
  return out;
}
}  // namespace detail

inline Lengths Value::shape() const {
  const caddie_shape shape = graph_->describe(*this);
  return {shape.lengths, shape.lengths + shape.rank};
}

inline int64_t Value::dim(int64_t axis) const {
  const Lengths lengths = shape();
  const int64_t rank = static_cast<int64_t>(lengths.size());
  const int64_t at = axis < 0 ? axis + rank : axis;
  return at < 0 || at >= rank ? 0 : lengths[static_cast<std::size_t>(at)];
}

template <std::size_t N>
std::array<int64_t, N> Value::dims() const {
  const Lengths lengths = shape();
  std::array<int64_t, N> out{};
  if (lengths.size() != N) {
    graph_->fail("a value of rank " + std::to_string(N) + " was expected, this one has rank " + std::to_string(lengths.size()));
    out.fill(1);  // harmless lengths: nothing is emitted after a failure
    return out;
  }
  for (std::size_t i = 0; i < N; ++i) out[i] = lengths[i];
  return out;
}

inline Value Value::reshape(const Lengths& shape) const { return graph_->emit(Op::reshape, {*this}, {detail::ints("shape", shape)}); }
inline Value Value::transpose(const Lengths& axes) const { return graph_->emit(Op::transpose, {*this}, {detail::ints("axes", axes)}); }

inline Value Value::slice(int64_t axis, int64_t begin, int64_t end) const {
  Lengths sizes = shape();
  const int64_t rank = static_cast<int64_t>(sizes.size());
  const int64_t at = axis < 0 ? axis + rank : axis;
  if (at < 0 || at >= rank) {
    graph_->fail("slice: no axis " + std::to_string(axis) + " in a value of rank " + std::to_string(rank));
    return {graph_, 0};
  }
  int64_t& length = sizes[static_cast<std::size_t>(at)];
  const int64_t stop = end < 0 ? end + length : end;
  length = stop - begin;
  Lengths starts(sizes.size(), 0);
  starts[static_cast<std::size_t>(at)] = begin;
  return graph_->emit(Op::slice, {*this}, {detail::ints("starts", starts), detail::ints("sizes", sizes)});
}

inline Value Value::shift(int64_t axis) const {
  const int64_t length = dim(axis);
  Lengths low(static_cast<std::size_t>(rank()), 0);
  const Lengths high = low;
  const int64_t at = axis < 0 ? axis + rank() : axis;
  if (length > 0) low[static_cast<std::size_t>(at)] = 1;
  if (length == 1) return graph_->pad(*this, low, high).slice(axis, 0, 1);  // a slice has at least one element
  return graph_->pad(slice(axis, 0, length - 1), low, high);
}

// ---- Graph --------------------------------------------------------------------------------------------------------

inline Value Graph::emit(Op op, const std::vector<Value>& inputs, std::initializer_list<caddie_attribute> attributes) const {
  std::vector<caddie_value> ids;
  ids.reserve(inputs.size());
  for (const Value input : inputs) ids.push_back(input.id());
  return {this, tables_.graph->emit(graph_, static_cast<uint32_t>(op), ids.data(), static_cast<uint32_t>(ids.size()),
                                    attributes.begin(), static_cast<uint32_t>(attributes.size()))};
}

inline Value Graph::emit(Op op, std::initializer_list<Value> inputs, std::initializer_list<caddie_attribute> attributes) const {
  caddie_value ids[8] = {};
  uint32_t count = 0;
  for (const Value input : inputs) {
    if (count < 8) ids[count++] = input.id();
  }
  return {this, tables_.graph->emit(graph_, static_cast<uint32_t>(op), ids, count, attributes.begin(),
                                    static_cast<uint32_t>(attributes.size()))};
}

inline caddie_shape Graph::describe(Value value) const {
  caddie_shape shape = {};
  shape.struct_size = sizeof shape;
  tables_.graph->shape(graph_, value.id(), &shape);
  return shape;
}

inline caddie_tensor_spec Graph::spec(const char* name, const char* role, const Lengths& shape, const Init& init, Scope scope,
                                      caddie_dtype dtype) {
  caddie_tensor_spec spec = {};
  spec.struct_size = sizeof spec;
  spec.flags = scope == Scope::model ? static_cast<uint32_t>(CADDIE_TENSOR_GLOBAL) : 0u;
  spec.name = name;
  spec.role = role;
  spec.dtype = dtype;
  spec.rank = static_cast<uint32_t>(shape.size());
  spec.lengths = shape.data();
  spec.initialiser.struct_size = sizeof spec.initialiser;
  spec.initialiser.kind = init.kind;
  spec.initialiser.a = init.a;
  spec.initialiser.b = init.b;
  spec.initialiser.values = init.values.empty() ? nullptr : init.values.data();
  spec.initialiser.copy = init.copy;
  return spec;
}

inline Value Graph::parameter(const char* name, const char* role, const Lengths& shape, const Init& init, Scope scope) const {
  const caddie_tensor_spec tensor = spec(name, role, shape, init, scope, CADDIE_F32);
  return {this, build().parameter(build_, &tensor)};
}

inline Value Graph::state(const char* name, const Lengths& shape, const Init& init, caddie_dtype dtype, Scope scope) const {
  const caddie_tensor_spec tensor = spec(name, "", shape, init, scope, dtype);
  return {this, build().state(build_, &tensor)};
}

inline Value Graph::step_scalar(const char* name, std::function<double(const Step&)> function) const {
  using Function = std::function<double(const Step&)>;
  const caddie_host_build& service = build();
  tables_.step_functions->push_back(std::make_unique<Function>(std::move(function)));
  const auto call = [](void* user, const caddie_step* step) -> double {
    try {
      return (*static_cast<const Function*>(user))(*step);
    } catch (...) {
      return std::numeric_limits<double>::quiet_NaN();  // the host names the scalar and ends the run
    }
  };
  return {this, service.step_scalar(build_, name, call, tables_.step_functions->back().get())};
}

inline Value Graph::wire(const char* name) const {
  const Value value = wire_or_none(name);
  if (!value) throw Failure(std::string("the wire \"") + name + "\" is not set here; no earlier block of this build provides it");
  return value;
}

inline void Graph::note_json(const char* key, const std::string& json) const {
  if (build_ != nullptr && CADDIE_HAS(tables_.build, caddie_host_build, note)) tables_.build->note(build_, key, json.c_str());
}

inline void Graph::run_hook(const char* name, const char* part, std::initializer_list<Value> inputs, caddie_value* outputs,
                            std::size_t count) const {
  caddie_value ids[8] = {};
  uint32_t input_count = 0;
  for (const Value input : inputs) {
    if (input_count < 8) ids[input_count++] = input.id();
  }
  build().run_hook(build_, name, part, ids, input_count, outputs, static_cast<uint32_t>(count));
}

inline Value Graph::hook(const char* name, std::initializer_list<Value> inputs, const char* part) const {
  caddie_value output = 0;
  run_hook(name, part, inputs, &output, 1);
  return {this, output};
}

template <std::size_t N>
std::array<Value, N> Graph::hook(const char* name, std::initializer_list<Value> inputs, const char* part) const {
  caddie_value outputs[N] = {};
  run_hook(name, part, inputs, outputs, N);
  std::array<Value, N> values;
  for (std::size_t i = 0; i < N; ++i) values[i] = {this, outputs[i]};
  return values;
}

inline Value Graph::linear(Value x, const char* name, int64_t outputs, const Init& init, const char* role, Scope scope) const {
  const Lengths shape = {outputs, x.dim(-1)};
  const caddie_tensor_spec tensor = spec(name, role, shape, init, scope, CADDIE_F32);
  return {this, build().linear(build_, x.id(), &tensor)};
}

inline Value Graph::constant(const std::vector<double>& values, const Lengths& shape, caddie_dtype dtype) const {
  const int64_t type = dtype;
  return emit(Op::constant, {}, {detail::reals("values", values), detail::ints("shape", shape), detail::integer("dtype", type)});
}

inline Value Graph::iota(const Lengths& shape, int64_t axis, caddie_dtype dtype) const {
  const int64_t type = dtype;
  return emit(Op::iota, {}, {detail::ints("shape", shape), detail::integer("axis", axis), detail::integer("dtype", type)});
}

inline Value Graph::uniform(const Lengths& shape, double low, double high) const {
  return emit(Op::random_uniform, {}, {detail::ints("shape", shape), detail::real("low", low), detail::real("high", high)});
}

inline Value Graph::normal(const Lengths& shape, double mean, double std) const {
  return emit(Op::random_normal, {}, {detail::ints("shape", shape), detail::real("mean", mean), detail::real("std", std)});
}

inline Value Graph::to_float(Value x) const {
  const int64_t type = CADDIE_F32;
  return emit(Op::cast, {x}, {detail::integer("dtype", type)});
}

inline Value Graph::to_integer(Value x) const {
  const int64_t type = CADDIE_I32;
  return emit(Op::cast, {x}, {detail::integer("dtype", type)});
}

inline Value Graph::sum(Value x, const Lengths& axes, bool keep) const {
  const int64_t keep_axes = keep ? 1 : 0;
  return emit(Op::reduce_sum, {x}, {detail::ints("axes", axes), detail::integer("keep", keep_axes)});
}

inline Value Graph::mean(Value x, const Lengths& axes, bool keep) const {
  const Value total = sum(x, axes, keep);
  double before = 1;
  double after = 1;
  for (const int64_t length : x.shape()) before *= static_cast<double>(length);
  for (const int64_t length : total.shape()) after *= static_cast<double>(length);
  return total * (after / before);
}

inline Value Graph::reduce_max(Value x, const Lengths& axes, bool keep) const {
  const int64_t keep_axes = keep ? 1 : 0;
  return emit(Op::reduce_max, {x}, {detail::ints("axes", axes), detail::integer("keep", keep_axes)});
}

inline Value Graph::concat(const std::vector<Value>& parts, int64_t axis) const {
  return emit(Op::concat, parts, {detail::integer("axis", axis)});
}

inline Value Graph::broadcast(Value x, const Lengths& shape) const {
  return emit(Op::broadcast, {x}, {detail::ints("shape", shape)});
}

inline Value Graph::pad(Value x, const Lengths& low, const Lengths& high, double value) const {
  return emit(Op::pad, {x}, {detail::ints("low", low), detail::ints("high", high), detail::real("value", value)});
}

inline Value Graph::dot(Value a, Value b, const Lengths& contract_a, const Lengths& contract_b, const Lengths& batch_a,
                        const Lengths& batch_b) const {
  return emit(Op::dot, {a, b},
              {detail::ints("batch_a", batch_a), detail::ints("batch_b", batch_b), detail::ints("contract_a", contract_a),
               detail::ints("contract_b", contract_b)});
}

inline Value Graph::rms_norm(Value x, double eps) const { return emit(Op::rms_norm, {x}, {detail::real("eps", eps)}); }

inline Value Graph::layer_norm(Value x, Value weight, Value bias, double eps) const {
  return emit(Op::layer_norm, {x, weight, bias}, {detail::real("eps", eps)});
}

inline Value Graph::attention(Value q, Value k, Value v, double scale, bool causal, Value segments) const {
  const int64_t flag = causal ? 1 : 0;
  const std::initializer_list<caddie_attribute> attributes = {detail::real("scale", scale), detail::integer("causal", flag)};
  return segments ? emit(Op::attention, {q, k, v, segments}, attributes) : emit(Op::attention, {q, k, v}, attributes);
}

inline CrossEntropy Graph::cross_entropy(Value logits, Value targets) const {
  const Value nll = emit(Op::cross_entropy, {logits, targets});
  if (!nll) return {nll, nll, nll};
  return {nll, {this, nll.id() + 1}, {this, nll.id() + 2}};
}

}  // namespace caddie
