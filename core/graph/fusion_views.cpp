#include "core/graph/fusion_views.hpp"

namespace caddie::graph {

ValueViews::ValueViews(const Graph& graph, const FusionRules& rules, const std::vector<bool>& live)
    : graph_(graph), views_(graph.value_count()), copied_(graph.nodes().size()), is_view_(graph.nodes().size(), false) {
  for (std::uint32_t number = 0; number < graph.nodes().size(); ++number) {
    const Node& node = graph.nodes()[number];
    for (std::uint32_t i = 0; i < node.output_count; ++i)
      views_[node.first_output + i] = whole(graph, node.first_output + i);
    if (!live[number]) continue;
    if (moves_only(graph, node)) {
      place(node, number);
    } else if (!is_elementwise(node.op) && !is_reduction(node.op)) {
      for (std::size_t i = 0; i < node.inputs.size(); ++i) {
        const View& read = views_[node.inputs[i]];
        if (!rules.reads_view(node, i, read)) give_memory(node.inputs[i]);
      }
    }
  }
}

void ValueViews::place(const Node& node, std::uint32_t number) {
  const Value from = node.inputs[0];
  std::optional<View> made = viewed(graph_, node, views_[from]);
  if (!made && node.op != Op::reshape) {
    give_memory(from);
    made = viewed(graph_, node, views_[from]);
  }
  if (made) {
    views_[node.first_output] = *made;
    is_view_[number] = true;
  } else {
    copied_[number] = views_[from];  // the same elements in the same order
  }
}

// Only movement nodes and constants of one value are ever read in a way that needs it. A constant's memory then holds
// every element; views made before still read the first one.
void ValueViews::give_memory(Value value) {
  const std::uint32_t number = graph_.info(value).node;
  if (is_view_[number]) {
    copied_[number] = views_[value];
    is_view_[number] = false;
  }
  views_[value] = View();
  views_[value].base = value;
  views_[value].shape = graph_.shape(value);
  views_[value].strides = row_major_strides(graph_.shape(value));
}

View ValueViews::operand(std::uint32_t node, std::size_t input) const {
  const Node& reader = graph_.nodes()[node];
  if (moves_only(graph_, reader)) return copied_[node];
  const View& read = views_[reader.inputs[input]];
  if (is_reduction(reader.op) || read.shape == graph_.shape(reader.first_output)) return read;
  return stretched(read, graph_.shape(reader.first_output));
}

}  // namespace caddie::graph
