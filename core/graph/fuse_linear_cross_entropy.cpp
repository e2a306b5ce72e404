// Finds cross_entropy(capped(linear(x, w))) and makes it one operation that never keeps the logits.
#include <cmath>
#include <optional>

#include "core/graph/constants.hpp"
#include "core/graph/emitter.hpp"
#include "core/graph/passes.hpp"
#include "core/graph/rebuild.hpp"

namespace caddie::graph {
namespace {

struct Match {
  Value x = 0;
  Value w = 0;
  double cap = 0;
};

class Matcher {
 public:
  explicit Matcher(const Graph& graph) : graph_(graph), readers_(graph.value_count(), 0) {
    for (const Node& node : graph.nodes()) {
      for (const Value input : node.inputs) ++readers_[input];
    }
    for (const Output& output : graph.outputs()) ++readers_[output.value];
    for (const Update& update : graph.updates()) ++readers_[update.value];
  }

  // From the logits of a cross_entropy backwards.
  [[nodiscard]] std::optional<Match> match(Value logits) const {
    Value at = before_reshapes(logits);
    double cap = 0;
    if (const auto capped = before_cap(at, cap)) at = before_reshapes(*capped);
    if (!only_reader(at, Op::linear)) return std::nullopt;
    const Node& linear = graph_.node_of(at);
    return Match{linear.inputs[0], linear.inputs[1], cap};
  }

 private:
  [[nodiscard]] bool only_reader(Value value, Op op) const {
    return readers_[value] == 1 && graph_.node_of(value).op == op;
  }
  [[nodiscard]] std::int64_t last(Value value) const {
    const Shape& shape = graph_.shape(value);
    return shape.rank() > 0 ? shape[shape.rank() - 1] : 0;
  }

  // Goes back over reshapes that only regroup rows.
  [[nodiscard]] Value before_reshapes(Value value) const {
    while (only_reader(value, Op::reshape) && last(graph_.node_of(value).inputs[0]) == last(value)) {
      value = graph_.node_of(value).inputs[0];
    }
    return value;
  }

  // value = other * number (or other / number, as 1/number), for a constant number that stretches nothing.
  struct Scaled {
    Value other = 0;
    double factor = 0;
  };

  [[nodiscard]] std::optional<Scaled> scaled(Value value) const {
    const bool product = only_reader(value, Op::mul);
    if (!product && !only_reader(value, Op::div)) return std::nullopt;
    const Node& node = graph_.node_of(value);
    for (const std::size_t side : {1U, 0U}) {
      const auto number = uniform_constant(graph_, node.inputs[side]);
      const Value other = node.inputs[1 - side];
      if (!number || graph_.shape(other) != graph_.shape(value)) continue;
      if (product) return Scaled{other, *number};
      if (side == 1) return Scaled{other, 1 / *number};
    }
    return std::nullopt;
  }

  // u where value is cap * tanh(u / cap) with one positive cap.
  [[nodiscard]] std::optional<Value> before_cap(Value value, double& cap) const {
    const auto outer = scaled(value);
    if (!outer || !only_reader(outer->other, Op::tanh)) return std::nullopt;
    const auto inner = scaled(graph_.node_of(outer->other).inputs[0]);
    if (!inner || !(outer->factor > 0) || !std::isfinite(outer->factor)) return std::nullopt;
    if (!(std::abs(inner->factor * outer->factor - 1) < 1e-6)) return std::nullopt;
    cap = outer->factor;
    return inner->other;
  }

  const Graph& graph_;
  std::vector<int> readers_;
};

void fuse(Rebuild& rebuild, const Graph& graph, const Node& node, const Match& match) {
  Graph& to = rebuild.graph();
  const Emitter e{to};
  to.push_path(graph.scope_name(node.scope));
  const Value x = rebuild.mapped(match.x);
  const auto lengths = to.shape(x).lengths();
  const Shape rows(lengths.first(lengths.size() - 1));
  const Shape& wanted = graph.shape(node.first_output);
  const bool regroup = rows != wanted;
  Value targets = rebuild.mapped(node.inputs[1]);
  if (regroup) targets = e.reshape(targets, rows);
  const Value first =
      to.emit(Op::linear_cross_entropy, {x, rebuild.mapped(match.w), targets}, Attributes().set("cap", match.cap));
  for (std::uint32_t i = 0; i < node.output_count; ++i) {
    const Value output = to.output_of(first, i);
    rebuild.map(node.first_output + i, regroup ? e.reshape(output, wanted) : output);
  }
  to.pop_scope();
}

}  // namespace

Result<Graph> fuse_linear_cross_entropy(const Graph& graph) {
  if (auto good = graph.status(); !good) return good.error();
  const Matcher matcher(graph);
  std::vector<std::optional<Match>> matches(graph.nodes().size());
  for (std::size_t i = 0; i < matches.size(); ++i) {
    const Node& node = graph.nodes()[i];
    if (node.op == Op::cross_entropy) matches[i] = matcher.match(node.inputs[0]);
  }
  Rebuild rebuild(graph);
  for (std::size_t i = 0; i < matches.size(); ++i) {
    const Node& node = graph.nodes()[i];
    if (node.op == Op::leaf) continue;
    if (matches[i]) {
      fuse(rebuild, graph, node, *matches[i]);
    } else {
      rebuild.copy(node);
    }
  }
  auto fused = rebuild.finish();
  if (!fused) return fused.error();
  return without_dead_nodes(*fused);
}

}  // namespace caddie::graph
