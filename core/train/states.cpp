#include "core/train/states.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/train/initialise.hpp"

namespace caddie::train {
namespace {

std::size_t state_bytes(const graph::Executor& executor, const plugins::TensorDeclaration& state) {
  return static_cast<std::size_t>(state.shape.elements()) * executor.element_bytes(state.dtype);
}

// The current values of the bank whose leaf has this name.
Result<void> copy_bank(graph::Executor& executor, const ParameterStore& parameters, const std::string& leaf,
                       const graph::BufferPtr& to) {
  const auto bank = std::ranges::find(parameters.banks(), leaf, &Bank::name);
  if (bank == parameters.banks().end()) return Error{Code::internal, leaf, "is no bank a state could start from"};
  std::vector<std::byte> values;
  const auto* source = static_cast<const std::byte*>(bank->values->host_data());
  if (source == nullptr) {
    values.resize(bank->values->size_bytes());
    if (auto done = executor.download(values, {bank->values, 0}); !done) return done;
    source = values.data();
  }
  return executor.upload({to, 0}, {source, bank->values->size_bytes()});
}

}  // namespace

Result<void> StateStore::add(const std::vector<plugins::TensorDeclaration>& states, const ParameterStore& parameters,
                             std::uint64_t seed) {
  for (const plugins::TensorDeclaration& state : states) {
    if (entries_.contains(state.path)) continue;
    auto buffer = executor_->allocate(state_bytes(*executor_, state));
    if (!buffer) return buffer.error();
    const Entry entry{state, *buffer};
    const bool is_zero = state.initialiser.kind == CADDIE_INIT_ZEROS;  // as buffers are when they are made
    if (!is_zero) {
      if (auto done = initialise(entry, parameters, seed); !done) return done;
    }
    entries_.emplace(state.path, entry);
  }
  return {};
}

Result<void> StateStore::initialise(const Entry& entry, const ParameterStore& parameters, std::uint64_t seed) {
  const plugins::Initialiser& init = entry.declaration.initialiser;
  if (init.kind == CADDIE_INIT_COPY) return copy_bank(*executor_, parameters, init.copy, entry.buffer);
  const auto initial = initial_values(entry.declaration, seed);
  if (!initial) return initial.error();
  if (entry.declaration.dtype == graph::DType::i32) {
    const std::vector<std::int32_t> whole(initial->begin(), initial->end());
    return executor_->upload({entry.buffer, 0}, std::as_bytes(std::span(whole)));
  }
  return executor_->upload({entry.buffer, 0}, std::as_bytes(std::span(*initial)));
}

Result<void> StateStore::reset(const ParameterStore& parameters, std::uint64_t seed) {
  for (const auto& [path, entry] : entries_) {
    if (auto done = initialise(entry, parameters, seed); !done) return done;
  }
  return {};
}

Result<void> StateStore::bind(graph::Program& program, const std::vector<plugins::TensorDeclaration>& states) const {
  for (const plugins::TensorDeclaration& state : states) {
    if (auto done = program.bind(state.path, {entries_.at(state.path).buffer, 0}); !done) return done;
  }
  return {};
}

Result<void> ScalarInputs::add(graph::Program& program, const plugins::StepScalar& scalar) {
  const auto known = std::ranges::find(entries_, scalar.leaf, [](const Entry& entry) { return entry.scalar.leaf; });
  if (known != entries_.end()) return program.bind(scalar.leaf, {known->buffer, 0});
  auto buffer = executor_->allocate(sizeof(float));
  if (!buffer) return buffer.error();
  entries_.push_back({scalar, *buffer});
  return program.bind(scalar.leaf, {*buffer, 0});
}

Result<void> ScalarInputs::add(graph::Program& program, const std::vector<plugins::StepScalar>& scalars) {
  for (const plugins::StepScalar& scalar : scalars) {
    if (auto done = add(program, scalar); !done) return done;
  }
  return {};
}

Result<void> ScalarInputs::add(graph::Program& program, const std::string& leaf) {
  return add(program, plugins::StepScalar{leaf, nullptr, nullptr});
}

Result<void> ScalarInputs::set(const caddie_step& step) {
  for (const Entry& entry : entries_) {
    if (entry.scalar.function == nullptr) continue;
    const double value = entry.scalar.function(entry.scalar.user, &step);
    if (!std::isfinite(value)) {
      return Error{Code::argument, entry.scalar.leaf,
                   fmt::format("is {} at step {}; a step scalar must be finite", value, step.step)};
    }
    const auto number = static_cast<float>(value);
    if (auto done = executor_->upload({entry.buffer, 0}, std::as_bytes(std::span(&number, 1))); !done) return done;
  }
  return {};
}

Result<void> ScalarInputs::set(const std::string& leaf, float value) {
  for (const Entry& entry : entries_) {
    if (entry.scalar.leaf != leaf) continue;
    if (auto done = executor_->upload({entry.buffer, 0}, std::as_bytes(std::span(&value, 1))); !done) return done;
  }
  return {};
}

}  // namespace caddie::train
