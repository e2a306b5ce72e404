// Primitives that follow indices. An index outside reads zeros and writes nothing.
#include <algorithm>

#include "core/graph/reference_ops.hpp"

namespace caddie::graph {
namespace {

using I32 = std::int32_t;

struct Rows {
  std::int64_t count = 0;
  std::int64_t length = 0;
};

Rows rows_of(const Shape& shape) { return {shape[0], shape.elements() / shape[0]}; }
bool inside(I32 index, std::int64_t count) { return index >= 0 && index < count; }

template <class Element>
struct Gather {
  static void run(const KernelCall& call) {
    const Element* table = call.in<Element>(0).data();
    const Rows rows = rows_of(call.shape(0));
    Element* y = call.out<Element>().data();
    for (const I32 index : call.in<I32>(1)) {
      if (inside(index, rows.count)) {
        std::copy_n(table + index * rows.length, rows.length, y);
      } else {
        std::fill_n(y, rows.length, Element{0});
      }
      y += rows.length;
    }
  }
};

template <class Element>
Element plus(Element a, Element b) {
  if constexpr (std::is_same_v<Element, I32>) {
    return wrapped(std::int64_t{a} + b);
  } else {
    return a + b;
  }
}

template <class Element>
struct ScatterAdd {
  static void run(const KernelCall& call) {
    const auto base = call.in<Element>(0);
    const Element* update = call.in<Element>(2).data();
    const Rows rows = rows_of(call.shape(0));
    Element* y = call.out<Element>().data();
    std::copy(base.begin(), base.end(), y);
    for (const I32 index : call.in<I32>(1)) {
      for (std::int64_t i = 0; inside(index, rows.count) && i < rows.length; ++i) {
        Element& sum = y[index * rows.length + i];
        sum = plus(sum, update[i]);
      }
      update += rows.length;
    }
  }
};

template <class Element>
struct Pick {
  static void run(const KernelCall& call) {
    const Element* x = call.in<Element>(0).data();
    const auto index = call.in<I32>(1);
    const auto y = call.out<Element>();
    const std::int64_t length = call.shape(0)[call.shape(0).rank() - 1];
    for (std::size_t i = 0; i < y.size(); ++i, x += length) y[i] = inside(index[i], length) ? x[index[i]] : Element{0};
  }
};

template <class Element>
struct Place {
  static void run(const KernelCall& call) {
    const auto values = call.in<Element>(0);
    const auto index = call.in<I32>(1);
    const auto out = call.out<Element>();
    std::fill(out.begin(), out.end(), Element{0});
    const std::int64_t length = call.node.attributes.integer("size");
    Element* y = out.data();
    for (std::size_t i = 0; i < values.size(); ++i, y += length) {
      if (inside(index[i], length)) y[index[i]] = values[i];
    }
  }
};

template <class Real, template <class> class Body>
void indexed(const KernelCall& call) {
  by_type<Real, Body>(call.out_dtype(), call);
}

}  // namespace

template <class Real>
Kernel index_kernel(Op op) {
  switch (op) {
    case Op::gather: return indexed<Real, Gather>;
    case Op::scatter_add: return indexed<Real, ScatterAdd>;
    case Op::pick: return indexed<Real, Pick>;
    case Op::place: return indexed<Real, Place>;
    default: return nullptr;
  }
}

template Kernel index_kernel<float>(Op);
template Kernel index_kernel<double>(Op);

}  // namespace caddie::graph
