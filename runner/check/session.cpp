#include "runner/check/session.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>

#include "core/cpu/cpu_executor.hpp"
#include "core/graph/emitter.hpp"
#include "core/graph/freeze.hpp"
#include "core/graph/gradient.hpp"
#include "core/graph/random.hpp"
#include "runner/check/failure.hpp"

namespace caddie::check {

using graph::DType;
using graph::LeafKind;
using graph::Value;

namespace {

// Rows (or columns, whichever are fewer) made orthonormal by Gram-Schmidt, times gain.
std::vector<double> orthogonal(std::vector<double> values, std::int64_t rows, std::int64_t columns, double gain) {
  const bool by_rows = rows <= columns;
  const auto count = static_cast<std::size_t>(by_rows ? rows : columns);
  const auto length = static_cast<std::size_t>(by_rows ? columns : rows);
  const auto at = [&](std::size_t vector, std::size_t i) -> double& {
    return values[by_rows ? vector * length + i : i * count + vector];
  };
  for (std::size_t a = 0; a < count; ++a) {
    for (std::size_t b = 0; b <= a; ++b) {
      double product = 0;
      for (std::size_t i = 0; i < length; ++i) product += at(a, i) * at(b, i);
      for (std::size_t i = 0; i < length; ++i)
        at(a, i) = b < a ? at(a, i) - product * at(b, i) : at(a, i) / std::sqrt(product);
    }
  }
  for (double& value : values) value *= gain;
  return values;
}

template <class T>
std::vector<std::byte> to_bytes(const std::vector<double>& values) {
  std::vector<std::byte> bytes(values.size() * sizeof(T));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const T value = static_cast<T>(values[i]);
    std::memcpy(bytes.data() + i * sizeof(T), &value, sizeof(T));
  }
  return bytes;
}

template <class T>
std::vector<double> from_bytes(const std::vector<std::byte>& bytes) {
  std::vector<double> values(bytes.size() / sizeof(T));
  for (std::size_t i = 0; i < values.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    values[i] = static_cast<double>(value);
  }
  return values;
}

std::unique_ptr<graph::Executor> make_executor(const Machine& machine) {
  const graph::ExecutorOptions options{machine.threads, machine.precision, false};
  return machine.fast ? cpu::make_cpu_executor(options) : graph::make_reference_executor(options);
}

}  // namespace

Array real(graph::Shape shape, std::vector<double> values) { return {shape, std::move(values), DType::f32}; }
Array whole(graph::Shape shape, std::vector<double> values) { return {shape, std::move(values), DType::i32}; }

Array wave(graph::Shape shape, int salt, double size) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < shape.elements(); ++i)
    values.push_back(size * std::sin(1.7 * static_cast<double>(i) + 0.9 * salt + 0.3));
  return real(shape, std::move(values));
}

caddie_step step_at(std::int64_t step, double scale) {
  caddie_step at = {};
  at.struct_size = sizeof at;
  at.step = step;
  at.scale = scale;
  return at;
}

Session::Session(plugins::BuildResult built, const std::map<std::string, Value>& outputs, Value loss,
                 const Machine& machine)
    : built_(std::move(built)), executor_(make_executor(machine)) {
  for (const auto& [name, value] : outputs) {
    built_.graph.output(name, value);
    add_memory(name, value, built_.graph);
  }
  if (loss != 0) {
    built_.graph.output("loss", loss);
    add_memory("loss", loss, built_.graph);
  }
  for (const graph::Leaf& leaf : built_.graph.leaves()) add_memory(leaf.name, leaf.value, built_.graph);
  forward_ = built_.graph;
  if (loss != 0) add_gradients(loss);
  program_ = compile(built_.graph);
  for (const plugins::TensorDeclaration& tensor : built_.parameters) initialise(tensor);
  for (const plugins::TensorDeclaration& tensor : built_.states) initialise(tensor);
}

void Session::add_memory(const std::string& name, Value value, const graph::Graph& graph) {
  const auto elements = static_cast<std::size_t>(graph.shape(value).elements());
  const DType dtype = graph.dtype(value);
  memory_[name] = {value_or_fail(executor_->allocate(elements * executor_->element_bytes(dtype))), dtype, elements,
                   graph.shape(value)};
}

void Session::add_gradients(Value loss) {
  std::vector<Value> wanted;
  std::vector<std::string> names;
  for (const graph::Leaf& leaf : built_.graph.leaves()) {
    if (leaf.kind == LeafKind::state || built_.graph.dtype(leaf.value) != DType::f32) continue;
    wanted.push_back(leaf.value);
    names.push_back(leaf.name);
  }
  const std::vector<Value> gradients = value_or_fail(graph::gradients(built_.graph, loss, wanted));
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (gradients[i] == 0) continue;
    built_.graph.output("gradient/" + names[i], gradients[i]);
    add_memory("gradient/" + names[i], gradients[i], built_.graph);
    differentiated_.push_back(names[i]);
  }
}

// The program of finite differences, and what it holds as outputs of the program that gradients come from.
void Session::freeze() {
  graph::Frozen frozen = value_or_fail(graph::freeze(forward_));
  const graph::Emitter emit{built_.graph};
  for (const graph::Frozen::Held& held : frozen.held) {
    const Value value = held.minus == 0 ? held.value : emit.sub(held.value, held.minus);
    built_.graph.output(held.name, value);
    add_memory(held.name, value, built_.graph);
    frozen_.push_back(held.name);
  }
  if (!frozen_.empty()) program_ = compile(built_.graph);
  frozen_program_ = compile(frozen.graph);
}

std::unique_ptr<graph::Program> Session::compile(const graph::Graph& graph) {
  must(graph.status());
  auto program = value_or_fail(executor_->compile(graph));
  const auto tie = [&](const std::string& name) { must(program->bind(name, {memory_.at(name).buffer, 0})); };
  for (const graph::Leaf& leaf : graph.leaves()) tie(leaf.name);
  for (const graph::Output& output : graph.outputs()) tie(output.name);
  return program;
}

void Session::initialise(const plugins::TensorDeclaration& tensor) {
  const auto elements = static_cast<std::size_t>(tensor.shape.elements());
  const plugins::Initialiser& how = tensor.initialiser;
  std::vector<double> values(elements, 0.0);
  std::uint64_t stream = 0;  // other numbers for every tensor
  for (const char letter : tensor.path) stream = stream * 31 + static_cast<unsigned char>(letter);
  const auto fill = [&](auto&& number) {
    for (std::size_t i = 0; i < elements; ++i) values[i] = number(i);
  };
  if (how.kind == CADDIE_INIT_CONSTANT) fill([&](std::size_t) { return how.a; });
  if (how.kind == CADDIE_INIT_VALUES) values = how.values;
  if (how.kind == CADDIE_INIT_COPY) values = get(how.copy);
  if (how.kind == CADDIE_INIT_UNIFORM)
    fill([&](std::size_t i) { return how.a + (how.b - how.a) * graph::uniform_at(1, stream, 0, 1, i); });
  if (how.kind == CADDIE_INIT_NORMAL)
    fill([&](std::size_t i) { return how.a + how.b * graph::normal_at(1, stream, 0, 1, i); });
  if (how.kind == CADDIE_INIT_ORTHOGONAL) {
    if (tensor.shape.rank() != 2) throw Failure(tensor.path + ": only a matrix can start orthogonal");
    fill([&](std::size_t i) { return graph::normal_at(1, stream, 0, 1, i); });
    values = orthogonal(std::move(values), tensor.shape[0], tensor.shape[1], how.a);
  }
  set(tensor.path, values);
}

void Session::set(const std::string& leaf, const std::vector<double>& values) {
  const auto found = memory_.find(leaf);
  if (found == memory_.end()) throw Failure("no leaf \"" + leaf + "\"");
  if (values.size() != found->second.elements) {
    throw Failure(leaf + " has " + std::to_string(found->second.elements) + " elements, not " +
                  std::to_string(values.size()));
  }
  const std::vector<std::byte> bytes = found->second.dtype == DType::i32           ? to_bytes<std::int32_t>(values)
                                       : executor_->element_bytes(DType::f32) == 8 ? to_bytes<double>(values)
                                                                                   : to_bytes<float>(values);
  must(executor_->upload({found->second.buffer, 0}, bytes));
}

std::vector<double> Session::get(const std::string& name) const {
  const auto found = memory_.find(name);
  if (found == memory_.end()) throw Failure("no leaf and no output \"" + name + "\"");
  std::vector<std::byte> bytes(found->second.elements * executor_->element_bytes(found->second.dtype));
  must(executor_->download(bytes, {found->second.buffer, 0}));
  if (found->second.dtype == DType::i32) return from_bytes<std::int32_t>(bytes);
  return executor_->element_bytes(DType::f32) == 8 ? from_bytes<double>(bytes) : from_bytes<float>(bytes);
}

graph::Shape Session::shape(const std::string& name) const {
  const auto found = memory_.find(name);
  if (found == memory_.end()) throw Failure("no leaf and no output \"" + name + "\"");
  return found->second.shape;
}

std::vector<std::string> Session::names() const {
  std::vector<std::string> names;
  for (const auto& [name, memory] : memory_) names.push_back(name);
  return names;
}

void Session::run(const caddie_step& step, std::uint64_t seed) {
  for (const plugins::StepScalar& scalar : built_.scalars) set(scalar.leaf, {scalar.function(scalar.user, &step)});
  must(program_->run({seed, 0, static_cast<std::uint64_t>(step.step)}));
}

void Session::run(std::int64_t step, std::uint64_t seed) { run(step_at(step), seed); }

// The loss with other values of one leaf; everything that a run updates is put back.
double Session::loss_at(const std::string& leaf, const std::vector<double>& values) {
  std::map<std::string, std::vector<double>> before;
  for (const graph::Leaf& other : built_.graph.leaves()) {
    if (other.kind == LeafKind::state || other.name == leaf) before[other.name] = get(other.name);
  }
  set(leaf, values);
  must(frozen_program_->run({1, 0, 0}));
  const double loss = get("loss")[0];
  for (const auto& [name, old] : before) set(name, old);
  return loss;
}

void Session::compare_slope(const std::string& leaf, const std::vector<double>& direction, double tolerance,
                            GradientComparison& comparison) {
  constexpr double kStep = 1e-5;
  const std::vector<double> slope = gradient(leaf);
  std::vector<double> ahead = get(leaf);
  std::vector<double> behind = ahead;
  double expected = 0;
  double size = 1;
  for (std::size_t i = 0; i < ahead.size(); ++i) {
    ahead[i] += kStep * direction[i];
    behind[i] -= kStep * direction[i];
    expected += slope[i] * direction[i];
    size += std::abs(slope[i] * direction[i]);
  }
  const double measured = (loss_at(leaf, ahead) - loss_at(leaf, behind)) / (2 * kStep);
  const double error = std::abs(measured - expected) / size;
  ++comparison.slopes;
  if (!(error <= tolerance)) comparison.mismatches.push_back({leaf, measured, expected, size});
  if (!(error <= comparison.largest_error)) comparison.largest_error = error;
}

GradientComparison Session::compare_gradients(double tolerance, std::size_t elements) {
  if (!frozen_program_) freeze();
  std::map<std::string, std::vector<double>> states;
  for (const plugins::TensorDeclaration& state : built_.states) states[state.path] = get(state.path);
  run(0);
  for (const auto& [name, values] : states) set(name, values);
  GradientComparison comparison;
  for (const std::string& leaf : differentiated_) {
    const std::size_t count = memory_.at(leaf).elements;
    compare_slope(leaf, wave({static_cast<std::int64_t>(count)}, 7).values, tolerance, comparison);
    if (elements == 0) continue;
    const std::size_t stride = std::max<std::size_t>(1, count / elements);
    for (std::size_t i = 0; i < count; i += stride) {
      std::vector<double> direction(count, 0.0);
      direction[i] = 1;
      compare_slope(leaf, direction, tolerance, comparison);
    }
  }
  return comparison;
}

}  // namespace caddie::check
