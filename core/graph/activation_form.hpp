// Activations that a graph spells out in elementwise operations. Inside core/graph only.
#pragma once

#include <optional>

#include "core/graph/epilogue.hpp"
#include "core/graph/fusion_views.hpp"

namespace caddie::graph {

struct Activated {
  Activation activation = Activation::none;
  Value of = 0;
};

// What the elementwise node computes, if it is an activation of one value. GELU is known by its values, not by how it
// is written: an expression of smooth operations, compared at points of [-6, 6].
std::optional<Activated> activation_of(const Graph& graph, const ValueViews& views, std::uint32_t node);

}  // namespace caddie::graph
