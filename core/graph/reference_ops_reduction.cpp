// Reductions, running sums and contraction. Sums of reals are carried in double, in row-major order.
#include <cmath>
#include <type_traits>
#include <vector>

#include "core/graph/reference_ops.hpp"
#include "core/graph/strides.hpp"

namespace caddie::graph {
namespace {

using I32 = std::int32_t;

template <class Element>
using Sum = std::conditional_t<std::is_same_v<Element, I32>, std::int64_t, double>;

template <class Element>
Element rounded(Sum<Element> sum) {
  if constexpr (std::is_same_v<Element, I32>) {
    return wrapped(sum);
  } else {
    return static_cast<Element>(sum);
  }
}

// Strides that lead from an index of x to the element of y it is reduced into.
Strides reduced_strides(const Shape& from, std::span<const std::int64_t> axes) {
  Shape kept = from;
  for (const std::int64_t axis : axes) kept[static_cast<int>(axis)] = 1;
  return broadcast_strides(kept, from);
}

template <class Element>
struct ReduceSum {
  static void run(const KernelCall& call) {
    const Element* x = call.in<Element>(0).data();
    const auto y = call.out<Element>();
    std::vector<Sum<Element>> sums(y.size(), 0);
    walk<1>(call.shape(0), {reduced_strides(call.shape(0), call.node.attributes.integers("axes"))}, {0},
            [&](const std::array<std::int64_t, 1>& at) { sums[static_cast<std::size_t>(at[0])] += *x++; });
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = rounded<Element>(sums[i]);
  }
};

template <class Element>
bool is_nan(Element x) {
  if constexpr (std::is_same_v<Element, I32>) {
    return false;
  } else {
    return std::isnan(x);
  }
}

// The first that no other beats; not a number beats everything.
template <class Element, class Beats>
void reduce_best(const KernelCall& call, Beats beats) {
  const Element* x = call.in<Element>(0).data();
  const auto y = call.out<Element>();
  std::vector<char> seen(y.size(), 0);
  walk<1>(call.shape(0), {reduced_strides(call.shape(0), call.node.attributes.integers("axes"))}, {0},
          [&](const std::array<std::int64_t, 1>& at) {
            const auto i = static_cast<std::size_t>(at[0]);
            if (seen[i] == 0 || beats(*x, y[i]) || is_nan(*x)) y[i] = *x;
            seen[i] = 1;
            ++x;
          });
}

template <class Element>
struct ReduceMax {
  static void run(const KernelCall& call) {
    reduce_best<Element>(call, [](Element x, Element best) { return x > best; });
  }
};

template <class Element>
struct ReduceMin {
  static void run(const KernelCall& call) {
    reduce_best<Element>(call, [](Element x, Element best) { return x < best; });
  }
};

template <class Element>
struct Cumsum {
  static void run(const KernelCall& call) {
    const auto axis = call.node.attributes.integer("axis");
    const bool reverse = call.node.attributes.integer("reverse") != 0;
    const auto x = call.in<Element>(0);
    const auto y = call.out<Element>();
    const auto length = static_cast<std::size_t>(call.shape(0)[static_cast<int>(axis)]);
    const auto step = static_cast<std::size_t>(row_major_strides(call.shape(0))[static_cast<std::size_t>(axis)]);
    for (std::size_t outer = 0; outer < x.size(); outer += length * step) {
      for (std::size_t inner = 0; inner < step; ++inner) {
        Sum<Element> sum = 0;
        for (std::size_t n = 0; n < length; ++n) {
          const std::size_t i = outer + inner + (reverse ? length - 1 - n : n) * step;
          sum += x[i];
          y[i] = rounded<Element>(sum);
        }
      }
    }
  }
};

// ---- contraction ----------------------------------------------------------------------------------------------------

// Offsets into a tensor of all indices over some of its axes, the last axis running fastest.
std::vector<std::size_t> offsets_over(const Shape& shape, std::span<const std::int64_t> axes) {
  const Strides own = row_major_strides(shape);
  Shape lengths;
  Strides strides{};
  for (std::size_t i = 0; i < axes.size(); ++i) {
    lengths.append(shape[static_cast<int>(axes[i])]);
    strides[i] = own[static_cast<std::size_t>(axes[i])];
  }
  std::vector<std::size_t> offsets;
  offsets.reserve(static_cast<std::size_t>(lengths.elements()));
  walk<1>(lengths, {strides}, {0},
          [&](const std::array<std::int64_t, 1>& at) { offsets.push_back(static_cast<std::size_t>(at[0])); });
  return offsets;
}

std::vector<std::int64_t> free_axes(const Shape& shape, std::span<const std::int64_t> batch,
                                    std::span<const std::int64_t> contract) {
  std::vector<std::int64_t> axes;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    bool taken = false;
    for (const std::int64_t other : batch) taken = taken || other == axis;
    for (const std::int64_t other : contract) taken = taken || other == axis;
    if (!taken) axes.push_back(axis);
  }
  return axes;
}

struct DotOffsets {
  std::vector<std::size_t> batch, free, contract;

  DotOffsets(const Shape& shape, std::span<const std::int64_t> batch_axes, std::span<const std::int64_t> contract_axes)
      : batch(offsets_over(shape, batch_axes)),
        free(offsets_over(shape, free_axes(shape, batch_axes, contract_axes))),
        contract(offsets_over(shape, contract_axes)) {}
};

template <class Real>
void dot_kernel(const KernelCall& call) {
  const Attributes& attributes = call.node.attributes;
  const DotOffsets in_a(call.shape(0), attributes.integers("batch_a"), attributes.integers("contract_a"));
  const DotOffsets in_b(call.shape(1), attributes.integers("batch_b"), attributes.integers("contract_b"));
  const auto a = call.in<Real>(0);
  const auto b = call.in<Real>(1);
  Real* y = call.out<Real>().data();
  for (std::size_t n = 0; n < in_a.batch.size(); ++n) {
    for (const std::size_t row : in_a.free) {
      for (const std::size_t column : in_b.free) {
        const Real* left = a.data() + in_a.batch[n] + row;
        const Real* right = b.data() + in_b.batch[n] + column;
        double sum = 0;
        for (std::size_t i = 0; i < in_a.contract.size(); ++i) {
          sum += static_cast<double>(left[in_a.contract[i]]) * static_cast<double>(right[in_b.contract[i]]);
        }
        *y++ = static_cast<Real>(sum);
      }
    }
  }
}

template <class Real, template <class> class Body>
void reduced(const KernelCall& call) {
  by_type<Real, Body>(call.out_dtype(), call);
}

}  // namespace

template <class Real>
Kernel reduction_kernel(Op op) {
  switch (op) {
    case Op::reduce_sum: return reduced<Real, ReduceSum>;
    case Op::reduce_max: return reduced<Real, ReduceMax>;
    case Op::reduce_min: return reduced<Real, ReduceMin>;
    case Op::cumsum: return reduced<Real, Cumsum>;
    case Op::dot: return dot_kernel<Real>;
    default: return nullptr;
  }
}

template Kernel reduction_kernel<float>(Op);
template Kernel reduction_kernel<double>(Op);

}  // namespace caddie::graph
