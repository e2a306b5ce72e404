// Primitives without inputs.
#include "core/graph/random.hpp"
#include "core/graph/reference_ops.hpp"
#include "core/graph/strides.hpp"

namespace caddie::graph {
namespace {

template <class Element>
struct Constant {
  static void run(const KernelCall& call) {
    const auto values = call.node.attributes.reals("values");
    const auto y = call.out<Element>();
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = static_cast<Element>(values[values.size() == 1 ? 0 : i]);
  }
};

template <class Element>
struct Iota {
  static void run(const KernelCall& call) {
    Strides count{};
    if (call.out_shape().rank() > 0) count[static_cast<std::size_t>(call.node.attributes.integer("axis"))] = 1;
    Element* y = call.out<Element>().data();
    walk<1>(call.out_shape(), {count}, {0},
            [&](const std::array<std::int64_t, 1>& at) { *y++ = static_cast<Element>(at[0]); });
  }
};

// Element by element in blocks of four.
template <class Real, class Block, class Scale>
void fill_random(const KernelCall& call, Block block, Scale scale) {
  const auto y = call.out<Real>();
  const RunKey& key = call.key;
  for (std::size_t start = 0; start < y.size(); start += 4) {
    const auto unit = block(philox(key.seed, key.stream, key.step, call.node.site, start / 4));
    for (std::size_t i = start; i < std::min(start + 4, y.size()); ++i)
      y[i] = static_cast<Real>(scale(unit[i - start]));
  }
}

template <class Real>
void uniform_kernel(const KernelCall& call) {
  const double low = call.node.attributes.real("low");
  const double high = call.node.attributes.real("high");
  fill_random<Real>(call, uniform_block, [&](float unit) { return scaled_uniform(unit, low, high); });
}

template <class Real>
void normal_kernel(const KernelCall& call) {
  const double mean = call.node.attributes.real("mean");
  const double std = call.node.attributes.real("std");
  fill_random<Real>(call, normal_block, [&](float unit) { return scaled_normal(unit, mean, std); });
}

}  // namespace

template <class Real>
Kernel source_kernel(Op op) {
  switch (op) {
    case Op::constant: return [](const KernelCall& call) { by_type<Real, Constant>(call.out_dtype(), call); };
    case Op::iota: return [](const KernelCall& call) { by_type<Real, Iota>(call.out_dtype(), call); };
    case Op::random_uniform: return uniform_kernel<Real>;
    case Op::random_normal: return normal_kernel<Real>;
    default: return nullptr;
  }
}

template Kernel source_kernel<float>(Op);
template Kernel source_kernel<double>(Op);

}  // namespace caddie::graph
