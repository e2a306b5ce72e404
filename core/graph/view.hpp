// How a step reads a value without a copy: strides over a row-major base, made by composing movement operations.
//
// Element [i0, i1, ...] of a view is base[offset + sum(i * strides)]; where an index lies outside [begin, end) of its
// axis (padding), it is `fill`. Device-independent. Plain values; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/graph/graph.hpp"
#include "core/graph/strides.hpp"

namespace caddie::graph {

struct View {
  Value base = 0;
  Shape shape;
  Strides strides{};  // in elements of the base; 0 where stretched
  std::int64_t offset = 0;
  bool bounded = false;  // some index is outside; begin and end count only then
  Strides begin{};
  Strides end{};
  double fill = 0;

  // Element e in row-major order is base[offset + e].
  [[nodiscard]] bool is_dense() const;
  // Every element is base[offset].
  [[nodiscard]] bool is_splat() const;
};

// One axis of a view with neighbours that continue each other joined.
struct ViewAxis {
  std::int64_t length = 1;
  std::int64_t stride = 0;
  std::int64_t begin = 0;
  std::int64_t end = 1;
  friend bool operator==(const ViewAxis&, const ViewAxis&) = default;
};

// The value as it stands in memory: row-major; a constant of one repeated value is a single element.
View whole(const Graph& graph, Value value);

// True when element e of the view is element e of its base, and all of it is there.
bool is_all_in_order(const Graph& graph, const View& view);

// True for a constant whose elements are all one value; its memory is one element.
bool is_splat_constant(const Node& node);

// True when the node only says where elements stand: movement with one input, stop_gradient, casts that change nothing.
bool moves_only(const Graph& graph, const Node& node);

// What such a node makes of a view of its input; nullopt when no single view can say it.
std::optional<View> viewed(const Graph& graph, const Node& node, const View& input);

// The view stretched to a shape it broadcasts to.
View stretched(const View& view, const Shape& to);

// The view as another shape of the same elements in the same order; nullopt when no strides can say it.
std::optional<View> reshaped(const View& view, const Shape& to);

// Outermost first, no axis of length 1 unless it lies outside; empty for a single element.
std::vector<ViewAxis> joined_axes(const View& view);

}  // namespace caddie::graph
