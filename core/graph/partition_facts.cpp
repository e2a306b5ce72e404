// What executors ask of a partition when they make its steps (fusion.hpp).
#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "core/graph/fusion.hpp"

namespace caddie::graph {

std::string operations_of(const Graph& graph, const Step& step) {
  if (!step.fused) return std::string(info(graph.nodes()[step.node].op).name) + (step.epilogue ? " epilogue" : "");
  std::vector<std::string> names;
  for (const GroupMember& member : step.group.members) {
    std::string name(info(graph.nodes()[member.node].op).name);
    if (std::ranges::find(names, name) == names.end()) names.push_back(std::move(name));
  }
  return fmt::format("{}", fmt::join(names, " "));
}

bool is_read(const Graph& graph, const Partition& partition, Value value) {
  const auto reads = [&](const View& view) { return view.base == value; };
  const auto reads_any = [&](const Step& step) { return std::ranges::any_of(views_read(step), reads); };
  return std::ranges::any_of(partition.steps, reads_any) ||
         std::ranges::any_of(graph.outputs(), [&](const Output& o) { return reads(partition.views[o.value]); }) ||
         std::ranges::any_of(graph.updates(), [&](const Update& u) { return reads(partition.views[u.value]); });
}

std::int64_t elements_in_memory(const Graph& graph, const Partition& partition, Value value) {
  const bool constant = graph.node_of(value).op == Op::constant;
  return constant && partition.views[value].is_splat() ? 1 : graph.shape(value).elements();
}

std::vector<std::uint32_t> constant_words(const Graph& graph, const Partition& partition, Value constant) {
  const auto values = graph.node_of(constant).attributes.reals("values");
  std::vector<std::uint32_t> words(static_cast<std::size_t>(elements_in_memory(graph, partition, constant)));
  for (std::size_t i = 0; i < words.size(); ++i) {
    const double number = values[values.size() == 1 ? 0 : i];
    words[i] = graph.dtype(constant) == DType::i32 ? std::bit_cast<std::uint32_t>(static_cast<std::int32_t>(number))
                                                   : std::bit_cast<std::uint32_t>(static_cast<float>(number));
  }
  return words;
}

}  // namespace caddie::graph
