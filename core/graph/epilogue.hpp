// Epilogues: what a product of matrices does with its result before it stores it, so that no step has to read it again.
//
//   result = activation(alpha product + beta addend + bias)
//
// Device-independent; executors say which ones they take (FusionRules::takes_epilogue). Plain values; any thread.
#pragma once

#include <cstdint>

#include "core/graph/view.hpp"

namespace caddie::graph {

enum class Activation : std::uint8_t {
  none,
  relu,
  gelu,  // x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
};

struct Epilogue {
  std::uint32_t product = 0;  // the node, a dot or a linear
  Value result = 0;           // elements in the product's own order, like the addend's and those of `before`
  double alpha = 1;
  double beta = 0;
  View scale{};   // a single element in memory, instead of alpha; base 0: none
  View addend{};  // base 0: none
  View bias{};    // one element for each column, the same for all rows; base 0: none
  Activation activation = Activation::none;
  Value before = 0;  // what the activation is taken of, where others read it too and it is stored as well; else 0
};

}  // namespace caddie::graph
