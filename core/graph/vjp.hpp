// Vector-Jacobian products: for each operation, what its backward pass emits. Inside core/graph only.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/graph/emitter.hpp"

namespace caddie::graph {

// One node being differentiated. Its fields are copies: emitting may move the graph's nodes.
struct VjpCall {
  Emitter e;
  Node node;
  std::vector<Value> adjoints;   // one for each output; 0 where no gradient arrives
  std::vector<bool> wanted;      // which inputs lead to a wanted value
  std::vector<Value> gradients;  // one for each input, filled by the function; 0 for none

  [[nodiscard]] Value in(std::size_t i) const { return node.inputs[i]; }
  [[nodiscard]] Value out(std::uint32_t i = 0) const { return node.first_output + i; }
  [[nodiscard]] Value adjoint() const { return adjoints[0]; }
  [[nodiscard]] Shape shape(std::size_t i) const { return e.shape(node.inputs[i]); }
  // The adjoint of an output, zeros of the output's shape where none arrives.
  [[nodiscard]] Value adjoint_or_zeros(std::uint32_t output) const;
  // Sets the gradient of an input of a broadcasting operation: sums over what was stretched.
  void give(std::size_t input, Value gradient);
};

using Vjp = void (*)(VjpCall&);

struct VjpRow {
  enum class Kind { missing, function, zero, refused };
  Kind kind = Kind::missing;
  Vjp function = nullptr;
};

inline constexpr VjpRow kZeroGradient{VjpRow::Kind::zero, nullptr};

// One family each; Kind::missing when the operation is of another family.
VjpRow elementwise_vjp(Op op);
VjpRow movement_vjp(Op op);
VjpRow tensor_vjp(Op op);     // sources, reductions, contraction, index
VjpRow composite_vjp(Op op);  // backward operations are refused

VjpRow vjp_row(Op op);

// Whether a gradient can flow from this output to this input at all, types aside.
bool gradient_flows(Op op, std::size_t input, std::uint32_t output);

// x summed to the shape it was broadcast from.
Value sum_to_shape(const Emitter& e, Value x, const Shape& shape);

}  // namespace caddie::graph
