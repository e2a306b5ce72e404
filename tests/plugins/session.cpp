// Session: memory, initial values, runs and finite differences.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "core/graph/gradient.hpp"
#include "core/graph/random.hpp"
#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {

using graph::DType;
using graph::LeafKind;
using graph::Value;

namespace {

template <class T>
T value_or_throw(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message());
  return std::move(*result);
}

void throw_unless_ok(const Result<void>& result) {
  if (!result) throw std::runtime_error(result.error().message());
}

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

}  // namespace

Session::Session(BuildResult built, const std::map<std::string, Value>& outputs, Value loss)
    : built_(std::move(built)), executor_(graph::make_reference_executor({1, graph::Precision::f64, false})) {
  for (const auto& [name, value] : outputs) {
    built_.graph.output(name, value);
    add_memory(name, value, built_.graph);
  }
  if (loss != 0) {
    built_.graph.output("loss", loss);
    add_memory("loss", loss, built_.graph);
  }
  for (const graph::Leaf& leaf : built_.graph.leaves()) add_memory(leaf.name, leaf.value, built_.graph);
  value_program_ = compile(built_.graph);
  if (loss != 0) {
    add_gradients(loss);
    program_ = compile(built_.graph);
  }
  for (const TensorDeclaration& tensor : built_.parameters) initialise(tensor);
  for (const TensorDeclaration& tensor : built_.states) initialise(tensor);
}

void Session::add_memory(const std::string& name, Value value, const graph::Graph& graph) {
  const auto elements = static_cast<std::size_t>(graph.shape(value).elements());
  const DType dtype = graph.dtype(value);
  memory_[name] = {value_or_throw(executor_->allocate(elements * executor_->element_bytes(dtype))), dtype, elements};
}

void Session::add_gradients(Value loss) {
  std::vector<Value> wanted;
  std::vector<std::string> names;
  for (const graph::Leaf& leaf : built_.graph.leaves()) {
    if (leaf.kind == LeafKind::state || built_.graph.dtype(leaf.value) != DType::f32) continue;
    wanted.push_back(leaf.value);
    names.push_back(leaf.name);
  }
  const std::vector<Value> gradients = value_or_throw(graph::gradients(built_.graph, loss, wanted));
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (gradients[i] == 0) continue;
    built_.graph.output("gradient/" + names[i], gradients[i]);
    add_memory("gradient/" + names[i], gradients[i], built_.graph);
    differentiated_.push_back(names[i]);
  }
}

std::unique_ptr<graph::Program> Session::compile(const graph::Graph& graph) {
  throw_unless_ok(graph.status());
  auto program = value_or_throw(executor_->compile(graph));
  for (const auto& [name, memory] : memory_) throw_unless_ok(program->bind(name, {memory.buffer, 0}));
  return program;
}

void Session::initialise(const TensorDeclaration& tensor) {
  const auto elements = static_cast<std::size_t>(tensor.shape.elements());
  const Initialiser& how = tensor.initialiser;
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
    fill([&](std::size_t i) { return graph::normal_at(1, stream, 0, 1, i); });
    values = orthogonal(std::move(values), tensor.shape[0], tensor.shape[1], how.a);
  }
  set(tensor.path, values);
}

void Session::set(const std::string& leaf, const std::vector<double>& values) {
  const auto found = memory_.find(leaf);
  if (found == memory_.end()) throw std::runtime_error("no leaf \"" + leaf + "\"");
  if (values.size() != found->second.elements) {
    throw std::runtime_error(leaf + " has " + std::to_string(found->second.elements) + " elements, not " +
                             std::to_string(values.size()));
  }
  void* data = found->second.buffer->host_data();
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (found->second.dtype == DType::i32) {
      static_cast<std::int32_t*>(data)[i] = static_cast<std::int32_t>(values[i]);
    } else {
      static_cast<double*>(data)[i] = values[i];
    }
  }
}

std::vector<double> Session::get(const std::string& name) const {
  const auto found = memory_.find(name);
  if (found == memory_.end()) throw std::runtime_error("no leaf and no output \"" + name + "\"");
  const void* data = found->second.buffer->host_data();
  std::vector<double> values(found->second.elements);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = found->second.dtype == DType::i32 ? static_cast<const std::int32_t*>(data)[i]
                                                  : static_cast<const double*>(data)[i];
  }
  return values;
}

void Session::run(const caddie_step& step, std::uint64_t seed) {
  for (const StepScalar& scalar : built_.scalars) set(scalar.leaf, {scalar.function(scalar.user, &step)});
  graph::Program& program = program_ ? *program_ : *value_program_;
  throw_unless_ok(program.run({seed, 0, static_cast<std::uint64_t>(step.step)}));
}

void Session::run(std::int64_t step, std::uint64_t seed) { run(step_at(step), seed); }

// The loss with other values of one leaf; everything that a run updates is put back.
double Session::loss_at(const std::string& leaf, const std::vector<double>& values) {
  std::map<std::string, std::vector<double>> before;
  for (const graph::Leaf& other : built_.graph.leaves()) {
    if (other.kind == LeafKind::state || other.name == leaf) before[other.name] = get(other.name);
  }
  set(leaf, values);
  throw_unless_ok(value_program_->run({1, 0, 0}));
  const double loss = get("loss")[0];
  for (const auto& [name, old] : before) set(name, old);
  return loss;
}

void Session::expect_slope(const std::string& leaf, const std::vector<double>& direction, double tolerance) {
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
  EXPECT_NEAR(measured, expected, tolerance * size) << "gradient of " << leaf;
}

void Session::expect_gradients(double tolerance) {
  std::map<std::string, std::vector<double>> states;
  for (const TensorDeclaration& state : built_.states) states[state.path] = get(state.path);
  run(0);
  for (const auto& [name, values] : states) set(name, values);
  for (const std::string& leaf : differentiated_) {
    const std::size_t elements = memory_.at(leaf).elements;
    expect_slope(leaf, wave({static_cast<std::int64_t>(elements)}, 7).values, tolerance);
    const std::size_t stride = std::max<std::size_t>(1, elements / 16);
    for (std::size_t i = 0; i < elements; i += stride) {
      std::vector<double> direction(elements, 0.0);
      direction[i] = 1;
      expect_slope(leaf, direction, tolerance);
    }
  }
}

}  // namespace caddie::plugins::test
