// Epilogues: what a product of matrices does with its result before it stores it, so that no step has to read it again.
//
//   result = activation(alpha product + beta addend + bias), or
//   result = activation'(slope_at) (alpha product + beta addend + bias), as in gradients
//
// Gradients of norms may be taken for products, with an addend: what flows past the norm.
//
// Device-independent; executors say which ones they take (FusionRules::takes_epilogue). Plain values; any thread.
#pragma once

#include <cstdint>

#include "core/graph/view.hpp"

namespace caddie::graph {

enum class Activation : std::uint8_t {
  none,
  relu,
  gelu,          // x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
  squared_relu,  // max(x, leak x)^2, 0 <= leak < 1
};

struct Epilogue {
  std::uint32_t product = 0;  // the node: a dot, a linear, or a gradient of a norm
  Value result = 0;           // elements in the product's own order, like the addend's and those of `before`
  double alpha = 1;
  double beta = 0;
  View scale{};   // a single element in memory, instead of alpha; base 0: none
  View addend{};  // base 0: none
  View bias{};    // one element for each column, the same for all rows; base 0: none
  Activation activation = Activation::none;
  double leak = 0;  // of squared_relu
  Value before = 0;  // what the activation is taken of, where others read it too and it is stored as well; else 0
  View slope_at{};   // elements in the product's own order; base 0: the activation itself
};

}  // namespace caddie::graph
