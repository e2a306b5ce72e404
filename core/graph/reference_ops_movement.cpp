// Primitives that move elements. All but pad and concat read x through strides; those two write y through strides.
#include "core/graph/reference_ops.hpp"
#include "core/graph/strides.hpp"

namespace caddie::graph {
namespace {

std::size_t at_axis(std::int64_t axis) { return static_cast<std::size_t>(axis); }

// y[index] = x[start + index * strides].
template <class Element>
void read_strided(const KernelCall& call, const Strides& strides, std::int64_t start) {
  const auto x = call.in<Element>(0);
  Element* y = call.out<Element>().data();
  walk<1>(call.out_shape(), {strides}, {start},
          [&](const std::array<std::int64_t, 1>& at) { *y++ = x[static_cast<std::size_t>(at[0])]; });
}

// y[start + index * strides of y] = x[index].
template <class Element>
void write_box(const KernelCall& call, std::size_t input, std::int64_t start) {
  const Element* x = call.in<Element>(input).data();
  const auto y = call.out<Element>();
  walk<1>(call.shape(input), {row_major_strides(call.out_shape())}, {start},
          [&](const std::array<std::int64_t, 1>& at) { y[static_cast<std::size_t>(at[0])] = *x++; });
}

template <class Element>
struct Reshape {
  static void run(const KernelCall& call) { read_strided<Element>(call, row_major_strides(call.out_shape()), 0); }
};

template <class Element>
struct Transpose {
  static void run(const KernelCall& call) {
    const Strides own = row_major_strides(call.shape(0));
    const auto axes = call.node.attributes.integers("axes");
    Strides strides{};
    for (std::size_t i = 0; i < axes.size(); ++i) strides[i] = own[at_axis(axes[i])];
    read_strided<Element>(call, strides, 0);
  }
};

template <class Element>
struct Broadcast {
  static void run(const KernelCall& call) {
    read_strided<Element>(call, broadcast_strides(call.shape(0), call.out_shape()), 0);
  }
};

template <class Element>
struct Slice {
  static void run(const KernelCall& call) {
    const Strides own = row_major_strides(call.shape(0));
    const auto starts = call.node.attributes.integers("starts");
    std::int64_t start = 0;
    for (std::size_t i = 0; i < starts.size(); ++i) start += starts[i] * own[i];
    read_strided<Element>(call, own, start);
  }
};

template <class Element>
struct Reverse {
  static void run(const KernelCall& call) {
    Strides strides = row_major_strides(call.shape(0));
    std::int64_t start = 0;
    for (const std::int64_t axis : call.node.attributes.integers("axes")) {
      start += (call.shape(0)[static_cast<int>(axis)] - 1) * strides[at_axis(axis)];
      strides[at_axis(axis)] = -strides[at_axis(axis)];
    }
    read_strided<Element>(call, strides, start);
  }
};

template <class Element>
struct Pad {
  static void run(const KernelCall& call) {
    const auto value = static_cast<Element>(call.node.attributes.real("value"));
    for (Element& y : call.out<Element>()) y = value;
    const Strides strides = row_major_strides(call.out_shape());
    const auto low = call.node.attributes.integers("low");
    std::int64_t start = 0;
    for (std::size_t i = 0; i < low.size(); ++i) start += low[i] * strides[i];
    write_box<Element>(call, 0, start);
  }
};

template <class Element>
struct Concat {
  static void run(const KernelCall& call) {
    const std::int64_t axis = call.node.attributes.integer("axis");
    const std::int64_t step = row_major_strides(call.out_shape())[at_axis(axis)];
    std::int64_t start = 0;
    for (std::size_t input = 0; input < call.inputs.size(); ++input) {
      write_box<Element>(call, input, start);
      start += call.shape(input)[static_cast<int>(axis)] * step;
    }
  }
};

template <class Real, template <class> class Body>
void moved(const KernelCall& call) {
  by_type<Real, Body>(call.out_dtype(), call);
}

}  // namespace

template <class Real>
Kernel movement_kernel(Op op) {
  switch (op) {
    case Op::reshape: return moved<Real, Reshape>;
    case Op::transpose: return moved<Real, Transpose>;
    case Op::broadcast: return moved<Real, Broadcast>;
    case Op::slice: return moved<Real, Slice>;
    case Op::pad: return moved<Real, Pad>;
    case Op::concat: return moved<Real, Concat>;
    case Op::reverse: return moved<Real, Reverse>;
    default: return nullptr;
  }
}

template Kernel movement_kernel<float>(Op);
template Kernel movement_kernel<double>(Op);

}  // namespace caddie::graph
