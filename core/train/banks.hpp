// Banks: parameters of one shape, role and owner, stacked on a leading axis in one contiguous buffer. An optimizer
// updates a bank at once; the model's graph sees each member as a slice of it.
//
// A ParameterStore owns the device memory of all values, and of the gradients of owned banks. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/graph/executor.hpp"
#include "core/plugins/build.hpp"

namespace caddie::train {

class InitialDraw;

constexpr int kNoOwner = -1;  // frozen: no gradient, no update

struct Bank {
  std::string name;   // "matrices.matrix.256x256"
  int owner = kNoOwner;
  std::string role;
  graph::Shape member_shape;
  std::vector<std::string> members;  // parameter paths, in the model's order
  graph::BufferPtr values;
  graph::BufferPtr gradients;  // nullptr without an owner

  // [N, ...].
  [[nodiscard]] graph::Shape shape() const;
};

// A tensor with its values on the host.
struct HostTensor {
  std::string path;
  std::string role;
  int layer = -1;
  graph::Shape shape;
  std::vector<float> values;
};

class ParameterStore {
 public:
  // owner[i] is the index of the optimizer that owns parameters[i], or kNoOwner; owner_names are for bank names.
  static Result<ParameterStore> make(graph::Executor& executor,
                                     const std::vector<plugins::TensorDeclaration>& parameters,
                                     const std::vector<int>& owner, const std::vector<std::string>& owner_names);

  [[nodiscard]] const std::vector<Bank>& banks() const { return banks_; }
  [[nodiscard]] const std::vector<plugins::TensorDeclaration>& parameters() const { return parameters_; }
  [[nodiscard]] bool contains(const std::string& path) const { return slots_.contains(path); }
  [[nodiscard]] bool is_owned(const std::string& path) const;
  // Only for a parameter of the store.
  [[nodiscard]] graph::BufferView values(const std::string& path) const;
  [[nodiscard]] graph::BufferView gradient(const std::string& path) const;

  // Draws every parameter's initial values.
  Result<void> initialise(std::uint64_t seed);
  // From a draw for parameters().
  Result<void> initialise(InitialDraw& draw);
  // Takes values by path; every parameter must be there with its shape.
  Result<void> load(const std::vector<HostTensor>& tensors);
  Result<std::vector<HostTensor>> download() const;
  // From other buffers shaped like the banks' values (an averager's result).
  Result<std::vector<HostTensor>> download_from(const std::vector<graph::BufferPtr>& bank_values) const;
  Result<std::vector<float>> download_gradient(const std::string& path) const;

  [[nodiscard]] std::int64_t parameter_count() const;

 private:
  struct Slot {
    std::size_t bank = 0;
    std::size_t member = 0;
    std::size_t declaration = 0;
  };
  graph::Executor* executor_ = nullptr;
  std::vector<Bank> banks_;
  std::vector<plugins::TensorDeclaration> parameters_;
  std::map<std::string, Slot> slots_;
};

}  // namespace caddie::train
