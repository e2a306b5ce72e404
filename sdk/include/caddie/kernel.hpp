// Custom kernels: an operation computed by the plugin itself, where operations of the table are too slow.
//
// A kernel is a struct of static functions. Its duties are `reference`, the same mathematics in operations, and
// `gradient`; without the latter a gradient through it is an error. The host compares both with compute():
//
//   struct Square {
//     static constexpr const char* name = "square";
//     static void compute(const caddie::KernelRange& at) {  // several threads at once, one range of parts each
//       for (int64_t i = at.begin(); i < at.end(); ++i) at.out()[i] = at.in(0)[i] * at.in(0)[i];
//     }
//     static std::vector<caddie::Value> reference(caddie::Graph&, const caddie::KernelInputs& x) { return {x[0] * x[0]}; }
//     static std::vector<caddie::Value> gradient(caddie::Graph&, const caddie::KernelGradient& at) {
//       return {2.0 * at.inputs[0] * at.adjoints[0]};
//     }
//   };
//   caddie::Value y = caddie::emit_kernel<Square>(g, {.inputs = {x}, .outputs = {x.shape()}, .parts = x.dim(0)})[0];
//
// compute() allocates nothing, keeps nothing between calls, and writes the elements of its own parts alone; its bits may
// not depend on how parts are cut into ranges. A plugin that uses kernels says so: identity{.kernels = true}.
#pragma once

#include <caddie/graph.hpp>
#include <caddie/object.hpp>

#include <string>
#include <type_traits>
#include <vector>

namespace caddie {

// Parts [begin, end) of a kernel's outputs, with the memory of all tensors. Dense and row-major.
class KernelRange {
 public:
  explicit KernelRange(const caddie_kernel_call* call) : call_(call) {}
  [[nodiscard]] int64_t begin() const { return call_->begin; }
  [[nodiscard]] int64_t end() const { return call_->end; }

  [[nodiscard]] const float* in(std::size_t i) const { return static_cast<const float*>(call_->inputs[i]); }
  [[nodiscard]] const int32_t* in_i32(std::size_t i) const { return static_cast<const int32_t*>(call_->inputs[i]); }
  [[nodiscard]] float* out(std::size_t i = 0) const { return static_cast<float*>(call_->outputs[i]); }
  [[nodiscard]] int64_t in_dim(std::size_t i, std::size_t axis) const { return call_->input_shapes[i]->lengths[axis]; }
  [[nodiscard]] int64_t out_dim(std::size_t i, std::size_t axis) const { return call_->output_shapes[i]->lengths[axis]; }

  // What emit_kernel was given.
  template <class Parameters>
  [[nodiscard]] const Parameters& parameters() const {
    return *static_cast<const Parameters*>(call_->parameters);
  }
  // Memory for this call alone.
  template <class T>
  [[nodiscard]] T* scratch() const {
    return static_cast<T*>(call_->scratch);
  }

 private:
  const caddie_kernel_call* call_;
};

class KernelInputs {
 public:
  KernelInputs(std::vector<Value> values, const void* parameters) : values_(std::move(values)), parameters_(parameters) {}
  [[nodiscard]] Value operator[](std::size_t i) const { return values_.at(i); }
  [[nodiscard]] std::size_t size() const { return values_.size(); }
  template <class Parameters>
  [[nodiscard]] const Parameters& parameters() const {
    return *static_cast<const Parameters*>(parameters_);
  }

 private:
  std::vector<Value> values_;
  const void* parameters_;
};

// adjoints: the gradient of the loss with respect to each output. The answer is the same with respect to each input; an
// empty Value stands for none.
struct KernelGradient {
  KernelInputs inputs;
  std::vector<Value> outputs;
  std::vector<Value> adjoints;
  std::vector<bool> wanted;  // by input
};

struct KernelNode {
  std::vector<Value> inputs;
  std::vector<Lengths> outputs;   // shapes, f32
  int64_t parts = 1;              // that need nothing of each other
  std::size_t scratch_bytes = 0;  // for each call of compute()
};

namespace detail {

template <class Kernel>
struct KernelTable {
  static caddie_code compute(const caddie_kernel_call* call, caddie_error* error) {
    return guarded(error, [&] { Kernel::compute(KernelRange(call)); });
  }
  static caddie_code reference(const caddie_kernel_build* build, caddie_error* error) {
    return guarded(error, [&] {
      Graph g({build->graph_service, nullptr, nullptr, build->kernel_service}, build->graph);
      give(build, Kernel::reference(g, inputs(g, build)), build->output_count);
    });
  }
  static caddie_code gradient(const caddie_kernel_build* build, caddie_error* error) {
    return guarded(error, [&] {
      Graph g({build->graph_service, nullptr, nullptr, build->kernel_service}, build->graph);
      const KernelGradient at{inputs(g, build), values(g, build->outputs, build->output_count),
                              values(g, build->adjoints, build->output_count),
                              std::vector<bool>(build->wanted, build->wanted + build->input_count)};
      give(build, Kernel::gradient(g, at), build->input_count);
    });
  }
  static const caddie_kernel& table() {
    static constexpr bool differentiable = requires(Graph& g, const KernelGradient& at) { Kernel::gradient(g, at); };
    static const caddie_kernel kernel = [] {
      caddie_kernel made = {sizeof(caddie_kernel), 0, Kernel::name, compute, reference, nullptr};
      if constexpr (differentiable) made.gradient = gradient;
      return made;
    }();
    return kernel;
  }

 private:
  static std::vector<Value> values(const Graph& g, const caddie_value* ids, uint32_t count) {
    std::vector<Value> out;
    for (uint32_t i = 0; i < count; ++i) out.emplace_back(&g, ids[i]);
    return out;
  }
  static KernelInputs inputs(const Graph& g, const caddie_kernel_build* build) {
    return {values(g, build->inputs, build->input_count), build->parameters};
  }
  static void give(const caddie_kernel_build* build, const std::vector<Value>& made, uint32_t count) {
    if (made.size() != count) {
      throw Failure("gives " + std::to_string(made.size()) + " values where " + std::to_string(count) + " are asked for");
    }
    for (uint32_t i = 0; i < count; ++i) build->results[i] = made[i].id();
  }
};

inline std::vector<Value> emit_kernel(const Graph& g, const caddie_kernel& kernel, const KernelNode& use,
                                      const void* parameters, std::size_t parameters_size) {
  if (g.tables().kernel == nullptr) throw Failure(std::string("this host has no service \"") + CADDIE_HOST_KERNEL + "\"");
  std::vector<caddie_value> inputs;
  for (const Value& value : use.inputs) inputs.push_back(value.id());
  std::vector<caddie_shape> shapes(use.outputs.size());
  std::vector<const caddie_shape*> outputs;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    if (use.outputs[i].size() > 8) throw Failure("an output of a kernel has more than eight axes");
    shapes[i].struct_size = sizeof(caddie_shape);
    shapes[i].dtype = CADDIE_F32;
    shapes[i].rank = static_cast<uint32_t>(use.outputs[i].size());
    for (std::size_t axis = 0; axis < use.outputs[i].size(); ++axis) shapes[i].lengths[axis] = use.outputs[i][axis];
    outputs.push_back(&shapes[i]);
  }
  caddie_kernel_node node = {};
  node.struct_size = sizeof node;
  node.input_count = static_cast<uint32_t>(inputs.size());
  node.output_count = static_cast<uint32_t>(outputs.size());
  node.parameters_size = static_cast<uint32_t>(parameters_size);
  node.inputs = inputs.data();
  node.outputs = outputs.data();
  node.parameters = parameters;
  node.parts = use.parts;
  node.scratch_bytes = use.scratch_bytes;
  const caddie_value first = g.tables().kernel->emit(g.abi(), &kernel, &node);
  std::vector<Value> made;
  for (std::size_t i = 0; i < outputs.size(); ++i)
    made.emplace_back(&g, first == 0 ? 0 : first + static_cast<caddie_value>(i));
  return made;
}

}  // namespace detail

// The outputs of a new node.
template <class Kernel>
std::vector<Value> emit_kernel(const Graph& g, const KernelNode& use) {
  return detail::emit_kernel(g, detail::KernelTable<Kernel>::table(), use, nullptr, 0);
}

// With numbers for the kernel, copied byte by byte: a struct without padding and pointers.
template <class Kernel, class Parameters>
std::vector<Value> emit_kernel(const Graph& g, const KernelNode& use, const Parameters& parameters) {
  static_assert(std::is_trivially_copyable_v<Parameters>);
  return detail::emit_kernel(g, detail::KernelTable<Kernel>::table(), use, &parameters, sizeof parameters);
}

}  // namespace caddie
