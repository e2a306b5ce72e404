#include "core/cuda/widths.hpp"

#include <algorithm>

namespace caddie::cuda {

using graph::DType;
using graph::Graph;
using graph::Node;
using graph::Op;
using graph::Value;
using graph::View;

namespace {

constexpr std::int64_t kLeastElements = 32;

bool is_product(Op op) {
  return op == Op::dot || op == Op::linear || op == Op::linear_cross_entropy || op == Op::linear_cross_entropy_backward;
}

class Widths {
 public:
  Widths(const Graph& graph, const graph::Partition& partition)
      : graph_(graph),
        partition_(partition),
        wide_(graph.value_count(), false),
        other_reader_(graph.value_count(), false),
        narrow_(graph.value_count(), false) {}

  std::vector<bool> run() {
    find_wide();
    for (const graph::Step& step : partition_.steps) {
      for (const Value value : step.writes) narrow_[value] = is_narrow(step, value);
    }
    return std::move(narrow_);
  }

 private:
  void find_wide() {
    for (const graph::Update& update : graph_.updates()) wide_[partition_.views[update.value].base] = true;
    for (const graph::Output& output : graph_.outputs()) other_reader_[partition_.views[output.value].base] = true;
    for (const graph::Step& step : partition_.steps) {
      const Op op = graph_.nodes()[step.node].op;
      for (const View& view : graph::views_read(step)) {
        if (step.fused || !is_product(op)) other_reader_[view.base] = true;
      }
      if (!step.fused) keep_row_numbers(op, step.inputs);
    }
  }

  // Inputs that kernels read as f32: one number a row.
  void keep_row_numbers(Op op, const std::vector<View>& inputs) {
    std::size_t first = inputs.size(), last = inputs.size();
    if (op == Op::cross_entropy_backward) first = 2;
    if (op == Op::linear_cross_entropy_backward) first = 3;
    if (op == Op::attention_backward) {
      first = 4;
      last = 5;
    }
    for (std::size_t i = first; i < last; ++i) wide_[inputs[i].base] = true;
  }

  [[nodiscard]] bool is_narrow(const graph::Step& step, Value value) const {
    if (wide_[value] || graph_.dtype(value) != DType::f32 || graph_.shape(value).elements() < kLeastElements)
      return false;
    if (step.epilogue) return true;
    const Node& node = graph_.node_of(value);
    const std::uint32_t output = graph_.info(value).output;
    switch (node.op) {
      case Op::dot:
      case Op::linear:
      case Op::gather:
      case Op::attention_backward: return true;
      case Op::attention:
      case Op::linear_cross_entropy_backward: return output == 0;
      case Op::reduce_sum:
      case Op::reduce_max:
      case Op::reduce_min:
      case Op::cumsum:
      case Op::scatter_add:
      case Op::log_sum_exp:
      case Op::pick:
      case Op::cross_entropy:
      case Op::linear_cross_entropy: return false;
      default: break;
    }
    if (!other_reader_[value]) return true;
    return std::ranges::any_of(graph::views_read(step), [&](const View& view) { return narrow_[view.base]; });
  }

  const Graph& graph_;
  const graph::Partition& partition_;
  std::vector<bool> wide_;          // must be
  std::vector<bool> other_reader_;  // something else than a product reads it
  std::vector<bool> narrow_;
};

}  // namespace

std::vector<bool> narrow_values(const Graph& graph, const graph::Partition& partition, bool narrows) {
  if (!narrows) return std::vector<bool>(graph.value_count(), false);
  return Widths(graph, partition).run();
}

}  // namespace caddie::cuda
