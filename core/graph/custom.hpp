// Custom nodes: operations that a plugin computes itself, with the duties that come with it.
//
// A CustomKernel computes its outputs on the processor and builds two graphs: `reference`, the same mathematics in
// operations of the table, which is the node's meaning (what decompose() makes of it), and `vjp`, its derivative, or it
// says that it has none. Executors without a way to run the kernel run the reference. Passes leave the node alone;
// equal nodes become one.
//
// Ownership: nodes and programs share their kernel. A kernel is constant; compute() may be called by several threads
// at once, everything else by the thread that builds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/graph/graph.hpp"

namespace caddie::graph {

struct Emitter;  // emitter.hpp
struct VjpCall;  // vjp.hpp

inline constexpr std::size_t kMostCustomInputs = 16;
inline constexpr std::size_t kMostCustomOutputs = 4;
inline constexpr std::size_t kLargestCustomScratch = std::size_t{1} << 26;

struct CustomOutput {
  DType dtype = DType::f32;
  Shape shape;
  friend bool operator==(const CustomOutput&, const CustomOutput&) = default;
};

struct CustomForm {
  std::string name;  // for messages and profiles
  std::vector<CustomOutput> outputs;
  // The outputs fall into so many parts that are computed independently of each other.
  std::int64_t parts = 1;
  std::size_t scratch_bytes = 0;  // memory of its own for each call of compute()
  friend bool operator==(const CustomForm&, const CustomForm&) = default;
};

// Memory of one call: dense and row-major, 4 bytes an element; the inputs' shapes are those given when it was emitted.
struct CustomCall {
  std::span<const void* const> inputs;
  std::span<void* const> outputs;
  std::int64_t begin = 0;  // the parts to compute: [begin, end)
  std::int64_t end = 0;
  std::byte* scratch = nullptr;  // aligned to 64 bytes; holds anything
};

// What a derivative is built from.
struct CustomVjp {
  std::span<const Value> inputs;
  std::span<const Value> outputs;
  std::span<const Value> adjoints;  // one for each output: zeros where no gradient arrives
  const std::vector<bool>& wanted;  // by input
};

class CustomKernel {
 public:
  explicit CustomKernel(CustomForm form) : form_(std::move(form)) {}
  virtual ~CustomKernel() = default;
  CustomKernel(const CustomKernel&) = delete;
  CustomKernel& operator=(const CustomKernel&) = delete;

  [[nodiscard]] const CustomForm& form() const { return form_; }

  // Writes every element of the parts [begin, end) and no other. Same inputs, same bits, however the parts are cut
  // into calls. Allocates nothing.
  virtual Result<void> compute(const CustomCall& call) const = 0;
  // One value for each output.
  virtual Result<std::vector<Value>> reference(Graph& graph, std::span<const Value> inputs) const = 0;
  [[nodiscard]] virtual bool differentiable() const = 0;
  // One gradient for each input, 0 for none. Only when differentiable().
  virtual Result<std::vector<Value>> vjp(Graph& graph, const CustomVjp& given) const = 0;
  // Computes the same from the same inputs, forms being equal.
  [[nodiscard]] virtual bool same_as(const CustomKernel& other) const { return this == &other; }

 private:
  CustomForm form_;
};

// Whether a node of this kernel can stand in the graph.
Result<void> check_custom(const Graph& graph, const CustomKernel& kernel, std::span<const Value> inputs);

// The rows of the tables of decompositions and derivatives, inside core/graph only.
std::vector<Value> custom_decomposition(const Emitter& e, const Node& node, std::span<const Value> inputs);
void custom_vjp(VjpCall& call);

}  // namespace caddie::graph
