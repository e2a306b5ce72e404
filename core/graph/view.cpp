#include "core/graph/view.hpp"

#include <algorithm>
#include <bit>

namespace caddie::graph {
namespace {

std::size_t at(std::int64_t axis) { return static_cast<std::size_t>(axis); }

bool has_bounds(const View& view, std::size_t axis) {
  return view.bounded && (view.begin[axis] > 0 || view.end[axis] < view.shape[static_cast<int>(axis)]);
}

void set_free(View& view, std::size_t axis) {
  view.begin[axis] = 0;
  view.end[axis] = view.shape[static_cast<int>(axis)];
}

void update_bounded(View& view) {
  bool any = false;
  for (std::size_t axis = 0; axis < at(view.shape.rank()); ++axis) any = any || has_bounds(view, axis);
  view.bounded = any;
}

View transposed(const View& view, std::span<const std::int64_t> axes) {
  View out = view;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    out.shape[static_cast<int>(i)] = view.shape[static_cast<int>(axes[i])];
    out.strides[i] = view.strides[at(axes[i])];
    out.begin[i] = view.begin[at(axes[i])];
    out.end[i] = view.end[at(axes[i])];
  }
  return out;
}

View sliced(const View& view, std::span<const std::int64_t> starts, std::span<const std::int64_t> sizes) {
  View out = view;
  for (std::size_t i = 0; i < starts.size(); ++i) {
    out.offset += starts[i] * view.strides[i];
    out.shape[static_cast<int>(i)] = sizes[i];
    if (!view.bounded) continue;
    out.begin[i] = std::clamp<std::int64_t>(view.begin[i] - starts[i], 0, sizes[i]);
    out.end[i] = std::clamp<std::int64_t>(view.end[i] - starts[i], 0, sizes[i]);
  }
  if (out.bounded) update_bounded(out);
  return out;
}

View reversed(const View& view, std::span<const std::int64_t> axes) {
  View out = view;
  for (const std::int64_t axis : axes) {
    const std::int64_t length = view.shape[static_cast<int>(axis)];
    out.offset += (length - 1) * view.strides[at(axis)];
    out.strides[at(axis)] = -view.strides[at(axis)];
    out.begin[at(axis)] = length - view.end[at(axis)];
    out.end[at(axis)] = length - view.begin[at(axis)];
  }
  return out;
}

std::optional<View> padded(const View& view, std::span<const std::int64_t> low, std::span<const std::int64_t> high,
                           double fill) {
  if (view.bounded && std::bit_cast<std::uint64_t>(view.fill) != std::bit_cast<std::uint64_t>(fill))
    return std::nullopt;
  View out = view;
  out.fill = fill;
  for (std::size_t i = 0; i < low.size(); ++i) {
    const std::int64_t length = view.shape[static_cast<int>(i)];
    out.offset -= low[i] * view.strides[i];
    out.begin[i] = (view.bounded ? view.begin[i] : 0) + low[i];
    out.end[i] = (view.bounded ? view.end[i] : length) + low[i];
    out.shape[static_cast<int>(i)] = length + low[i] + high[i];
  }
  out.bounded = true;
  update_bounded(out);
  return out;
}

}  // namespace

bool View::is_dense() const {
  if (bounded) return false;
  std::int64_t step = 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    if (shape[axis] != 1 && strides[at(axis)] != step) return false;
    step *= shape[axis];
  }
  return true;
}

bool View::is_splat() const {
  if (bounded) return false;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] != 1 && strides[at(axis)] != 0) return false;
  }
  return true;
}

bool is_all_in_order(const Graph& graph, const View& view) {
  return view.is_dense() && view.offset == 0 && view.shape.elements() == graph.shape(view.base).elements();
}

bool is_splat_constant(const Node& node) {
  return node.op == Op::constant && node.attributes.reals("values").size() == 1;
}

View whole(const Graph& graph, Value value) {
  View view;
  view.base = value;
  view.shape = graph.shape(value);
  if (!is_splat_constant(graph.node_of(value))) view.strides = row_major_strides(view.shape);
  for (std::size_t axis = 0; axis < at(view.shape.rank()); ++axis) set_free(view, axis);
  return view;
}

bool moves_only(const Graph& graph, const Node& node) {
  switch (node.op) {
    case Op::reshape:
    case Op::transpose:
    case Op::broadcast:
    case Op::slice:
    case Op::pad:
    case Op::reverse:
    case Op::stop_gradient: return true;
    case Op::cast: return graph.dtype(node.inputs[0]) == graph.dtype(node.first_output);
    case Op::concat: return node.inputs.size() == 1;
    default: return false;
  }
}

std::optional<View> viewed(const Graph& graph, const Node& node, const View& input) {
  const Attributes& attributes = node.attributes;
  switch (node.op) {
    case Op::reshape: return reshaped(input, graph.shape(node.first_output));
    case Op::transpose: return transposed(input, attributes.integers("axes"));
    case Op::broadcast: return stretched(input, graph.shape(node.first_output));
    case Op::slice: return sliced(input, attributes.integers("starts"), attributes.integers("sizes"));
    case Op::pad:
      return padded(input, attributes.integers("low"), attributes.integers("high"), attributes.real("value"));
    case Op::reverse: return reversed(input, attributes.integers("axes"));
    case Op::stop_gradient:
    case Op::cast:
    case Op::concat: return input;
    default: return std::nullopt;
  }
}

View stretched(const View& view, const Shape& to) {
  View out = view;
  out.shape = to;
  out.strides = {};
  const int lead = to.rank() - view.shape.rank();
  for (int axis = 0; axis < to.rank(); ++axis) {
    const std::size_t i = at(axis);
    if (axis >= lead && view.shape[axis - lead] == to[axis]) {
      out.strides[i] = view.strides[at(axis - lead)];
      out.begin[i] = view.begin[at(axis - lead)];
      out.end[i] = view.end[at(axis - lead)];
    } else if (axis >= lead && has_bounds(view, at(axis - lead))) {
      out.begin[i] = out.end[i] = 0;  // the one element that is stretched is padding
    } else {
      set_free(out, i);
    }
  }
  if (out.bounded) update_bounded(out);
  return out;
}

std::vector<ViewAxis> joined_axes(const View& view) {
  std::vector<ViewAxis> axes;
  for (int axis = 0; axis < view.shape.rank(); ++axis) {
    const std::size_t i = at(axis);
    const std::int64_t length = view.shape[axis];
    const bool bounds = has_bounds(view, i);
    if (length == 1 && !bounds) continue;
    const ViewAxis inner{length, view.strides[i], bounds ? view.begin[i] : 0, bounds ? view.end[i] : length};
    if (!axes.empty() && !bounds && axes.back().stride == inner.stride * length) {
      ViewAxis& outer = axes.back();
      outer = {outer.length * length, inner.stride, outer.begin * length, outer.end * length};
    } else {
      axes.push_back(inner);
    }
  }
  return axes;
}

std::optional<View> reshaped(const View& view, const Shape& to) {
  View out = view;
  out.shape = to;
  out.strides = {};
  for (std::size_t axis = 0; axis < at(to.rank()); ++axis) set_free(out, axis);
  int next = 0;
  for (const ViewAxis& axis : joined_axes(view)) {
    if (axis.length == 1) return std::nullopt;
    // New axes that together are this one, innermost last.
    std::int64_t product = 1;
    const int first = next;
    for (; next < to.rank() && product < axis.length; ++next) product *= to[next];
    if (product != axis.length) return std::nullopt;
    std::int64_t step = 1;
    for (int i = next - 1; i >= first; --i) {
      out.strides[at(i)] = to[i] == 1 ? 0 : axis.stride * step;
      step *= to[i];
    }
    if (axis.begin == 0 && axis.end == axis.length) continue;
    int leading = first;
    while (to[leading] == 1) ++leading;
    const std::int64_t inner = axis.length / to[leading];
    if (axis.begin % inner != 0 || axis.end % inner != 0) return std::nullopt;
    out.begin[at(leading)] = axis.begin / inner;
    out.end[at(leading)] = axis.end / inner;
  }
  return out;
}

}  // namespace caddie::graph
