#include "core/cpu/widths.hpp"

#include <algorithm>

#include "core/cpu/kernels/gemm.hpp"
#include "core/cpu/strided_reader.hpp"
#include "core/graph/contraction.hpp"

namespace caddie::cpu {

using graph::Graph;
using graph::Node;
using graph::Op;
using graph::Step;
using graph::Value;
using graph::View;

namespace {

constexpr std::int64_t kLeastElements = 4096;  // smaller ones stay in the caches anyway

// Operations on rows whose kernels read and make both widths.
bool is_of_rows(Op op) {
  return op == Op::rms_norm || op == Op::rms_norm_backward || op == Op::layer_norm || op == Op::layer_norm_backward ||
         op == Op::rope;
}
// x, and dy behind all other inputs of a gradient. What is added to it, a sum over layers, stays wide.
bool is_row_input(const Node& node, std::size_t input) {
  const bool is_gradient = node.op == Op::rms_norm_backward || node.op == Op::layer_norm_backward;
  return input == 0 || (is_gradient && input + 1 == node.inputs.size());
}

bool is_product(const Node& node) { return node.op == Op::dot || node.op == Op::linear; }

bool is_attention(const Node& node) { return node.op == Op::attention || node.op == Op::attention_backward; }

// Queries, keys, values and what has their shapes: not lse, not segments.
bool are_heads(const Graph& graph, Value value) { return graph.shape(value).rank() == 4; }

// A single movement: it has a step of its own that knows f32 only.
bool is_copy(const Graph& graph, const Step& step) {
  return step.fused && step.group.members.size() == 1 && graph::moves_only(graph, graph.nodes()[step.node]);
}

std::int64_t depth_of(const Graph& graph, const Node& product) {
  std::int64_t depth = 1;
  for (const std::int64_t axis : graph::contraction_of(graph, product).contract[0]) {
    depth *= graph.shape(product.inputs[0])[static_cast<int>(axis)];
  }
  return depth;
}

class Widths {
 public:
  Widths(const Graph& graph, const graph::Partition& partition) : graph_(graph), partition_(partition) {}

  std::vector<bool> run(Factors factors) {
    narrow_.assign(graph_.value_count(), false);
    for (const Step& step : partition_.steps) {
      for (const Value value : step.writes) narrow_[value] = can_be_made(step, value, factors);
    }
    for (const graph::Output& output : graph_.outputs()) stays_wide(partition_.views[output.value]);
    for (const graph::Update& update : graph_.updates()) stays_wide(partition_.views[update.value]);
    for (const Step& step : partition_.steps) keep_what_must_be_wide(step);
    return std::move(narrow_);
  }

 private:
  void stays_wide(const View& view) { narrow_[view.base] = false; }

  [[nodiscard]] bool can_be_made(const Step& step, Value value, Factors factors) const {
    if (graph_.dtype(value) != graph::DType::f32 || graph_.shape(value).elements() < kLeastElements) return false;
    if (step.fused) return !is_copy(graph_, step) && !graph::is_reduction(graph_.node_of(value).op);
    const Node& node = graph_.nodes()[step.node];
    if (is_attention(node)) return are_heads(graph_, value);
    if (is_of_rows(node.op)) return value == step.writes.front();
    return is_product(node) && makes_narrow(factors, depth_of(graph_, node));
  }

  void keep_what_must_be_wide(const Step& step) {
    const auto views = graph::views_read(step);
    for (std::size_t i = 0; i < views.size(); ++i) {
      if (!reads_narrow(step, i, views[i])) stays_wide(views[i]);
    }
  }
  [[nodiscard]] bool reads_narrow(const Step& step, std::size_t input, const View& view) const {
    if (step.fused) return !is_copy(graph_, step) && stands_in_runs(view);
    const Node& node = graph_.nodes()[step.node];
    if (is_attention(node)) return are_heads(graph_, node.inputs[input]);
    if (is_of_rows(node.op)) return is_row_input(node, input);
    const bool slopes = step.epilogue && step.epilogue->slope_at.base != 0;
    return is_product(node) && (input < 2 || (slopes && input + 1 == graph::views_read(step).size()));
  }

  const Graph& graph_;
  const graph::Partition& partition_;
  std::vector<bool> narrow_;
};

}  // namespace

std::vector<bool> narrow_values(const Graph& graph, const graph::Partition& partition, Factors factors) {
  if (!takes_narrow(factors)) return std::vector<bool>(graph.value_count(), false);
  return Widths(graph, partition).run(factors);
}

}  // namespace caddie::cpu
