// The reference executor's primitives: one plain function each, over float or double. Inside core/graph only.
#pragma once

#include <cstdint>
#include <span>

#include "core/graph/executor.hpp"
#include "core/graph/graph.hpp"

namespace caddie::graph {

// One node about to run: memory of its inputs and outputs, row-major, of the types the graph says.
struct KernelCall {
  const Graph& graph;
  const Node& node;
  std::span<const void* const> inputs;
  std::span<void* const> outputs;
  RunKey key;

  [[nodiscard]] const Shape& shape(std::size_t input) const { return graph.shape(node.inputs[input]); }
  [[nodiscard]] DType dtype(std::size_t input) const { return graph.dtype(node.inputs[input]); }
  [[nodiscard]] const Shape& out_shape() const { return graph.shape(node.first_output); }
  [[nodiscard]] DType out_dtype() const { return graph.dtype(node.first_output); }

  template <class Element>
  [[nodiscard]] std::span<const Element> in(std::size_t input) const {
    return {static_cast<const Element*>(inputs[input]), static_cast<std::size_t>(shape(input).elements())};
  }
  template <class Element>
  [[nodiscard]] std::span<Element> out() const {
    return {static_cast<Element*>(outputs[0]), static_cast<std::size_t>(out_shape().elements())};
  }
};

using Kernel = void (*)(const KernelCall&);

// One family each, Real is float or double; nullptr when the operation is of another family.
template <class Real>
Kernel source_kernel(Op op);
template <class Real>
Kernel elementwise_kernel(Op op);
template <class Real>
Kernel reduction_kernel(Op op);
template <class Real>
Kernel movement_kernel(Op op);
template <class Real>
Kernel index_kernel(Op op);

template <class Real>
Kernel reference_kernel(Op op) {
  for (const auto family : {elementwise_kernel<Real>, movement_kernel<Real>, reduction_kernel<Real>, index_kernel<Real>,
                            source_kernel<Real>}) {
    if (const Kernel kernel = family(op)) return kernel;
  }
  return nullptr;
}

// f32 values are Real, i32 values std::int32_t; picks Body's instance for the type.
template <class Real, template <class> class Body>
void by_type(DType type, const KernelCall& call) {
  if (type == DType::f32) {
    Body<Real>::run(call);
  } else {
    Body<std::int32_t>::run(call);
  }
}

// Sums and products of i32 wrap around.
inline std::int32_t wrapped(std::int64_t value) { return static_cast<std::int32_t>(static_cast<std::uint32_t>(value)); }

}  // namespace caddie::graph
