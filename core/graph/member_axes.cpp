#include "core/graph/member_axes.hpp"

#include <algorithm>

#include "core/graph/constants.hpp"
#include "core/graph/fusion.hpp"
#include "core/graph/view.hpp"

namespace caddie::graph {
namespace {

using AxisSpan = std::span<const std::int64_t>;

int place_of(AxisSpan axes, std::int64_t axis) {
  const auto found = std::ranges::find(axes, axis);
  return found == axes.end() ? kNoAxis : static_cast<int>(found - axes.begin());
}
bool holds(AxisSpan axes, std::int64_t axis) { return place_of(axes, axis) != kNoAxis; }

std::int64_t length_before(const Shape& shape, int axis) {
  std::int64_t length = 1;
  for (int i = 0; i < axis; ++i) length *= shape[i];
  return length;
}

bool is_random(Op op) { return op == Op::random_uniform || op == Op::random_normal; }

// One number, moved about.
bool is_uniform(const Graph& graph, Value value) {
  const Node& node = graph.node_of(value);
  const bool moves = node.op == Op::reshape || node.op == Op::broadcast || node.op == Op::transpose ||
                     node.op == Op::slice || node.op == Op::stop_gradient;
  return moves ? is_uniform(graph, node.inputs[0]) : uniform_constant(graph, value).has_value();
}

// The axis of `to` that begins where `axis` of `from` begins and is as long.
int after_reshape(const Shape& from, const Shape& to, int axis) {
  for (int i = 0; i < to.rank(); ++i) {
    if (to[i] == from[axis] && length_before(to, i) == length_before(from, axis)) return i;
  }
  return kNoAxis;
}

int after_reduction(const Node& node, int axis) {
  const AxisSpan axes = node.attributes.integers("axes");
  if (holds(axes, axis)) return kNoAxis;
  if (node.attributes.integer("keep") != 0) return axis;
  return axis - static_cast<int>(std::ranges::count_if(axes, [&](std::int64_t reduced) { return reduced < axis; }));
}

// All operands with members have them along the same axis of the result.
int after_stretching(const Graph& graph, const Node& node, const std::vector<int>& input_axes) {
  int axis = kNoAxis;
  for (std::size_t i = 0; i < input_axes.size(); ++i) {
    if (input_axes[i] == kNoAxis) continue;
    const int here =
        input_axes[i] + graph.shape(node.first_output).rank() - graph.shape(node.inputs[i]).rank();
    if (axis != kNoAxis && axis != here) return kNoAxis;
    axis = here;
  }
  return axis;
}

int after_product(const Node& node, const std::vector<int>& input_axes) {
  int axis = kNoAxis;
  for (std::size_t side = 0; side < 2; ++side) {
    if (input_axes[side] == kNoAxis) continue;
    const int here = place_of(node.attributes.integers(side == 0 ? "batch_a" : "batch_b"), input_axes[side]);
    if (here == kNoAxis || (axis != kNoAxis && axis != here)) return kNoAxis;
    axis = here;
  }
  return axis;
}

int after_one_operand(const Graph& graph, const Node& node, int axis) {
  const Shape& in = graph.shape(node.inputs[0]);
  const auto at = [&](const char* key) { return node.attributes.integers(key)[static_cast<std::size_t>(axis)]; };
  const bool is_last = axis == in.rank() - 1;
  switch (node.op) {
    case Op::stop_gradient: return axis;
    case Op::reshape: return after_reshape(in, graph.shape(node.first_output), axis);
    case Op::transpose: return place_of(node.attributes.integers("axes"), axis);
    case Op::slice: return at("sizes") == in[axis] ? axis : kNoAxis;
    case Op::pad: return at("low") == 0 && at("high") == 0 ? axis : kNoAxis;
    case Op::reverse: return holds(node.attributes.integers("axes"), axis) ? kNoAxis : axis;
    case Op::reduce_sum:
    case Op::reduce_max:
    case Op::reduce_min: return after_reduction(node, axis);
    case Op::cumsum: return node.attributes.integer("axis") == axis ? kNoAxis : axis;
    case Op::softmax:
    case Op::log_sum_exp:
    case Op::rms_norm:
    case Op::layer_norm: return is_last ? kNoAxis : axis;
    default: return kNoAxis;
  }
}

}  // namespace

int member_axis_after(const Graph& graph, const Node& node, std::uint32_t output, const std::vector<int>& input_axes) {
  if (output > 0) return kNoAxis;  // no operation of several outputs is known here
  if (is_elementwise(node.op) || node.op == Op::broadcast) return after_stretching(graph, node, input_axes);
  if (node.op == Op::dot) return after_product(node, input_axes);
  const bool apart = node.op != Op::layer_norm || (input_axes[1] == kNoAxis && input_axes[2] == kNoAxis);
  if (!apart) return kNoAxis;  // weights are channels of every member
  if (node.op != Op::concat) return after_one_operand(graph, node, input_axes[0]);
  const int axis = after_stretching(graph, node, input_axes);
  return axis == node.attributes.integer("axis") ? kNoAxis : axis;
}

int axis_of_input(const Graph& graph, const Node& node, std::size_t input, int axis) {
  if (node.op == Op::dot) {
    const AxisSpan batch = node.attributes.integers(input == 0 ? "batch_a" : "batch_b");
    const auto at = static_cast<std::size_t>(axis);
    return at < batch.size() ? static_cast<int>(batch[at]) : kNoAxis;
  }
  const int shift = graph.shape(node.first_output).rank() - graph.shape(node.inputs[input]).rank();
  return std::max(axis - shift, kNoAxis);
}

bool repeats_along(const Graph& graph, Value value, int axis) {
  if (graph.shape(value)[axis] == 1 || is_uniform(graph, value)) return true;
  const Node& node = graph.node_of(value);
  if (node.op == Op::iota) return node.attributes.integer("axis") != axis;
  const bool stretches = (is_elementwise(node.op) && !is_random(node.op)) || node.op == Op::broadcast;
  if (!stretches) return false;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    const int here = axis_of_input(graph, node, i, axis);
    if (here != kNoAxis && !repeats_along(graph, node.inputs[i], here)) return false;
  }
  return true;
}

Attributes attributes_for_members(const Node& node, int axis, std::int64_t members) {
  Attributes attributes = node.attributes;
  const bool is_slice = node.op == Op::slice;
  if (!is_slice && node.op != Op::reshape && node.op != Op::broadcast) return attributes;
  const char* key = is_slice ? "sizes" : "shape";
  const auto old = node.attributes.integers(key);
  std::vector<std::int64_t> lengths(old.begin(), old.end());
  lengths[static_cast<std::size_t>(axis)] = members;
  attributes.set(key, std::move(lengths));
  return attributes;
}

bool keeps_elements_apart(const Graph& graph, const Node& node) {
  return is_elementwise(node.op) || moves_only(graph, node) || node.op == Op::constant || node.op == Op::concat;
}

}  // namespace caddie::graph
