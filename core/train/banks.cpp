#include "core/train/banks.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/train/initial_draw.hpp"

namespace caddie::train {
namespace {

std::string shape_name(const graph::Shape& shape) {
  if (shape.rank() == 0) return "scalar";
  std::string name;
  for (const std::int64_t length : shape.lengths()) name += (name.empty() ? "" : "x") + std::to_string(length);
  return name;
}

std::size_t member_bytes(const Bank& bank) {
  return static_cast<std::size_t>(bank.member_shape.elements()) * sizeof(float);
}

}  // namespace

graph::Shape Bank::shape() const {
  graph::Shape shape{static_cast<std::int64_t>(members.size())};
  for (const std::int64_t length : member_shape.lengths()) shape.append(length);
  return shape;
}

Result<ParameterStore> ParameterStore::make(graph::Executor& executor,
                                            const std::vector<plugins::TensorDeclaration>& parameters,
                                            const std::vector<int>& owner,
                                            const std::vector<std::string>& owner_names) {
  ParameterStore store;
  store.executor_ = &executor;
  store.parameters_ = parameters;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const plugins::TensorDeclaration& tensor = parameters[i];
    if (tensor.shape.rank() >= graph::Shape::kMaxRank) {
      return Error{Code::shape, tensor.path,
                   fmt::format("has shape {}; parameters have at most seven axes", tensor.shape.text())};
    }
    auto bank = std::ranges::find_if(store.banks_, [&](const Bank& candidate) {
      return candidate.owner == owner[i] && candidate.role == tensor.role && candidate.member_shape == tensor.shape;
    });
    if (bank == store.banks_.end()) {
      Bank fresh;
      fresh.owner = owner[i];
      fresh.role = tensor.role;
      fresh.member_shape = tensor.shape;
      const std::string owner_name = owner[i] == kNoOwner ? "frozen" : owner_names[static_cast<std::size_t>(owner[i])];
      fresh.name = fmt::format("{}.{}.{}", owner_name, tensor.role, shape_name(tensor.shape));
      store.banks_.push_back(std::move(fresh));
      bank = std::prev(store.banks_.end());
    }
    store.slots_[tensor.path] = {static_cast<std::size_t>(bank - store.banks_.begin()), bank->members.size(), i};
    bank->members.push_back(tensor.path);
  }
  for (Bank& bank : store.banks_) {
    const std::size_t bytes = member_bytes(bank) * bank.members.size();
    auto values = executor.allocate(bytes);
    if (!values) return values.error();
    bank.values = *values;
    if (bank.owner == kNoOwner) continue;
    auto gradients = executor.allocate(bytes);
    if (!gradients) return gradients.error();
    bank.gradients = *gradients;
  }
  return store;
}

bool ParameterStore::is_owned(const std::string& path) const { return banks_[slots_.at(path).bank].owner != kNoOwner; }

graph::BufferView ParameterStore::values(const std::string& path) const {
  const Slot& slot = slots_.at(path);
  return {banks_[slot.bank].values, slot.member * member_bytes(banks_[slot.bank])};
}

graph::BufferView ParameterStore::gradient(const std::string& path) const {
  const Slot& slot = slots_.at(path);
  return {banks_[slot.bank].gradients, slot.member * member_bytes(banks_[slot.bank])};
}

Result<void> ParameterStore::initialise(std::uint64_t seed) {
  InitialDraw draw(parameters_, seed, 1);
  return initialise(draw);
}

Result<void> ParameterStore::initialise(InitialDraw& draw) {
  const auto drawn = draw.finish();
  if (!drawn) return drawn.error();
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const auto bytes = std::as_bytes((*drawn)[i]);
    if (auto done = executor_->upload(values(parameters_[i].path), bytes); !done) return done;
  }
  return {};
}

Result<void> ParameterStore::load(const std::vector<HostTensor>& tensors) {
  std::map<std::string, const HostTensor*> by_path;
  for (const HostTensor& tensor : tensors) by_path[tensor.path] = &tensor;
  for (const plugins::TensorDeclaration& tensor : parameters_) {
    const auto found = by_path.find(tensor.path);
    if (found == by_path.end()) {
      return Error{Code::format, tensor.path, "the model has this parameter, the stored weights do not"};
    }
    if (found->second->shape != tensor.shape) {
      return Error{Code::shape, tensor.path,
                   fmt::format("has shape {} in the model and {} in the stored weights", tensor.shape.text(),
                               found->second->shape.text())};
    }
    if (auto done = executor_->upload(values(tensor.path), std::as_bytes(std::span(found->second->values))); !done) {
      return done;
    }
  }
  return {};
}

Result<std::vector<HostTensor>> ParameterStore::download() const {
  std::vector<graph::BufferPtr> own;
  for (const Bank& bank : banks_) own.push_back(bank.values);
  return download_from(own);
}

Result<std::vector<HostTensor>> ParameterStore::download_from(const std::vector<graph::BufferPtr>& bank_values) const {
  std::vector<HostTensor> tensors;
  for (const plugins::TensorDeclaration& tensor : parameters_) {
    const Slot& slot = slots_.at(tensor.path);
    HostTensor host{tensor.path, tensor.role, tensor.layer, tensor.shape, {}};
    host.values.resize(static_cast<std::size_t>(tensor.shape.elements()));
    const graph::BufferView view{bank_values[slot.bank], slot.member * member_bytes(banks_[slot.bank])};
    if (auto done = executor_->download(std::as_writable_bytes(std::span(host.values)), view); !done) {
      return done.error();
    }
    tensors.push_back(std::move(host));
  }
  return tensors;
}

Result<std::vector<float>> ParameterStore::download_gradient(const std::string& path) const {
  std::vector<float> values(static_cast<std::size_t>(parameters_[slots_.at(path).declaration].shape.elements()));
  if (auto done = executor_->download(std::as_writable_bytes(std::span(values)), gradient(path)); !done) {
    return done.error();
  }
  return values;
}

std::int64_t ParameterStore::parameter_count() const {
  std::int64_t count = 0;
  for (const plugins::TensorDeclaration& tensor : parameters_) count += tensor.shape.elements();
  return count;
}

}  // namespace caddie::train
