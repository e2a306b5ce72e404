#include "core/graph/fusion_readers.hpp"

#include <algorithm>

namespace caddie::graph {

Readers::Readers(const Graph& graph, const std::vector<bool>& live, const ValueViews& views)
    : graph_(graph), views_(views), is_run_(graph.nodes().size(), false), kept_(graph.value_count(), false),
      readers_(graph.value_count()) {
  for (const Output& output : graph.outputs()) kept_[views.all()[output.value].base] = true;
  for (const Update& update : graph.updates()) kept_[views.all()[update.value].base] = true;
  for (std::uint32_t node = 0; node < graph.nodes().size(); ++node) {
    const Node& n = graph.nodes()[node];
    is_run_[node] = live[node] && n.op != Op::leaf && n.op != Op::constant && !views.is_view(node);
    if (!is_run_[node]) continue;
    for (std::size_t i = 0; i < n.inputs.size(); ++i) {
      const View read = is_fusible(node) ? views.operand(node, i) : views.all()[n.inputs[i]];
      readers_[read.base].push_back({node, is_fusible(node) && is_all_in_order(graph, read)});
    }
  }
}

bool Readers::is_fusible(std::uint32_t node) const {
  const Node& n = graph_.nodes()[node];
  return is_elementwise(n.op) || is_reduction(n.op) || moves_only(graph_, n);
}

std::optional<std::uint32_t> Readers::only(Value value) const {
  const auto& readers = readers_[value];
  if (kept_[value] || readers.empty()) return std::nullopt;
  const std::uint32_t first = readers.front().node;
  const bool one = std::ranges::all_of(readers, [&](const Reader& reader) { return reader.node == first; });
  return one ? std::optional(first) : std::nullopt;
}

std::vector<Value> Readers::read_by(std::uint32_t node) const {
  std::vector<Value> bases;
  const Node& n = graph_.nodes()[node];
  for (std::size_t i = 0; i < n.inputs.size(); ++i) {
    bases.push_back(is_fusible(node) ? views_.operand(node, i).base : views_.all()[n.inputs[i]].base);
  }
  return bases;
}

void Readers::drop(std::uint32_t node) {
  for (const Value base : read_by(node)) {
    auto& readers = readers_[base];
    const auto found = std::ranges::find(readers, node, &Reader::node);  // the oldest: before those that were added
    if (found == readers.end()) continue;
    readers.erase(found);
    const std::uint32_t maker = graph_.info(base).node;
    const Node& made = graph_.nodes()[maker];
    bool needed = false;
    for (std::uint32_t i = 0; i < made.output_count; ++i) {
      needed = needed || kept_[made.first_output + i] || !readers_[made.first_output + i].empty();
    }
    if (needed || !is_run_[maker]) continue;
    is_run_[maker] = false;
    drop(maker);
  }
}

}  // namespace caddie::graph
