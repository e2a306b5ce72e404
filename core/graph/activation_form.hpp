// Activations that a graph spells out in elementwise operations. Inside core/graph only.
//
// They are known by their values, not by how they are written: an expression of few operations, computed at points of
// [-6, 6].
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "core/graph/epilogue.hpp"
#include "core/graph/fusion_views.hpp"

namespace caddie::graph {

struct Activated {
  Activation activation = Activation::none;
  double leak = 0;
  Value of = 0;
};

// What the elementwise node computes, if it is an activation of one value.
std::optional<Activated> activation_of(const Graph& graph, const ValueViews& views, std::uint32_t node);

// activation'(at) * gradient.
struct Sloped {
  Activation activation = Activation::none;
  double leak = 0;
  Value gradient = 0;
  Value at = 0;
  std::vector<Value> between;  // values on the way from the gradient to the node's, both left out
};

// Whether a value can be the gradient, with the values on the way from it to the node's.
using GradientTest = std::function<bool(Value gradient, const std::vector<Value>& between)>;

// What the elementwise node computes, if it is the derivative of an activation times a value that can be the gradient,
// and that the place of the derivative does not depend on.
std::optional<Sloped> slope_of(const Graph& graph, const ValueViews& views, std::uint32_t node,
                               const GradientTest& is_gradient);

}  // namespace caddie::graph
