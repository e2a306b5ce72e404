#include "core/cpu/widths.hpp"

#include <algorithm>

#include "core/cpu/kernels/gemm.hpp"
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
// x, dy behind all other inputs of a gradient, and what is added to it.
bool is_row_input(const Step& step, const Node& node, std::size_t input) {
  const bool is_gradient = node.op == Op::rms_norm_backward || node.op == Op::layer_norm_backward;
  return is_of_rows(node.op) &&
         (input == 0 || (is_gradient && input + 1 >= node.inputs.size() && input < step.inputs.size()));
}

bool is_product(const Node& node) { return node.op == Op::dot || node.op == Op::linear; }

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
    if (is_of_rows(node.op)) return value == step.writes.front();
    return is_product(node) && makes_narrow(factors, depth_of(graph_, node));
  }

  // Elementwise steps read narrow values in order only.
  void keep_what_must_be_wide(const Step& step) {
    const bool copies = is_copy(graph_, step);
    const bool multiplies = !step.fused && is_product(graph_.nodes()[step.node]);
    const bool slopes = step.epilogue && step.epilogue->slope_at.base != 0;
    const auto views = graph::views_read(step);
    for (std::size_t i = 0; i < views.size(); ++i) {
      const bool of_product = multiplies && (i < 2 || (slopes && i + 1 == views.size()));
      const bool of_rows = !step.fused && is_row_input(step, graph_.nodes()[step.node], i);
      const bool reads_narrow = step.fused ? !copies && views[i].is_dense() : of_product || of_rows;
      if (!reads_narrow) stays_wide(views[i]);
    }
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
