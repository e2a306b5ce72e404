#include "core/graph/rebuild.hpp"

#include <fmt/format.h>

namespace caddie::graph {

std::vector<bool> live_nodes(const Graph& graph) {
  std::vector<bool> live(graph.nodes().size(), false);
  const auto mark = [&](Value value) { live[graph.info(value).node] = true; };
  for (const Output& output : graph.outputs()) mark(output.value);
  for (const Update& update : graph.updates()) mark(update.value);
  for (const Leaf& leaf : graph.leaves()) mark(leaf.value);
  for (std::size_t i = live.size(); i-- > 0;) {
    if (!live[i]) continue;
    for (const Value input : graph.nodes()[i].inputs) mark(input);
  }
  return live;
}

Rebuild::Rebuild(const Graph& from) : from_(from), values_(from.value_count(), 0) {
  for (const Leaf& leaf : from.leaves()) {
    to_.push_path(from.scope_name(from.node_of(leaf.value).scope));
    map(leaf.value, to_.leaf(leaf.kind, leaf.name, from.dtype(leaf.value), from.shape(leaf.value)));
    to_.pop_scope();
  }
}

std::vector<Value> Rebuild::mapped(std::span<const Value> old) const {
  std::vector<Value> fresh;
  fresh.reserve(old.size());
  for (const Value value : old) fresh.push_back(values_[value]);
  return fresh;
}

void Rebuild::map_outputs(const Node& node, Value first) {
  for (std::uint32_t i = 0; i < node.output_count; ++i) map(node.first_output + i, to_.output_of(first, i));
}

Result<Graph> Rebuild::finish() {
  for (const Output& output : from_.outputs()) {
    const Value fresh = mapped(output.value);
    if (!to_.failed() &&
        (to_.dtype(fresh) != from_.dtype(output.value) || to_.shape(fresh) != from_.shape(output.value))) {
      to_.fail({Code::internal, output.name,
                fmt::format("a rewrite made {} of an output of {}", to_.shape(fresh).text(),
                            from_.shape(output.value).text())});
    }
    to_.output(output.name, fresh);
  }
  for (const Update& update : from_.updates()) to_.update(mapped(update.leaf), mapped(update.value));
  if (auto good = to_.status(); !good) return good.error();
  return std::move(to_);
}

Result<Graph> without_dead_nodes(const Graph& graph) {
  const std::vector<bool> live = live_nodes(graph);
  Rebuild rebuild(graph);
  for (std::size_t i = 0; i < live.size(); ++i) {
    if (live[i] && graph.nodes()[i].op != Op::leaf) rebuild.copy(graph.nodes()[i]);
  }
  return rebuild.finish();
}

}  // namespace caddie::graph
