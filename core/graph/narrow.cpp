#include "core/graph/narrow.hpp"

#include <algorithm>
#include <optional>

#include "core/graph/box.hpp"
#include "core/graph/constants.hpp"
#include "core/graph/emitter.hpp"
#include "core/graph/fusion.hpp"
#include "core/graph/rebuild.hpp"

namespace caddie::graph {
namespace {

constexpr std::int64_t kCausal = 1;
constexpr std::int64_t kCausalFromEnd = 2;

bool holds(std::span<const std::int64_t> axes, std::int64_t axis) { return std::ranges::find(axes, axis) != axes.end(); }

// The first `count` axes of a box of rows, the others whole.
Box rows_of(const Box& rows, int count, const Shape& shape) {
  Box box = Box::whole(shape);
  for (int axis = 0; axis < count; ++axis) box.set(axis, rows.starts[axis], rows.sizes[axis]);
  return box;
}

// What one node makes, and what it reads for that. `made` is in the shape of the first output.
struct Plan {
  Box made;
  std::vector<Box> inputs;
  Attributes attributes;
};

class Planner {
 public:
  Planner(const Graph& graph, const Node& node) : graph_(graph), node_(node) {}

  // Of what is read of the first output.
  Plan plan(const Box& needed) {
    plan_ = {needed, {}, node_.attributes};
    for (const Value input : node_.inputs) plan_.inputs.push_back(Box::whole(graph_.shape(input)));
    if (node_.inputs.empty()) {
      source();
    } else if (is_elementwise(node_.op) || node_.op == Op::broadcast) {
      stretched();
    } else if (!movement() && !rows() && !others()) {
      plan_.made = Box::whole(out());
    }
    return std::move(plan_);
  }

 private:
  [[nodiscard]] Shape in(std::size_t input) const { return graph_.shape(node_.inputs[input]); }
  [[nodiscard]] Shape out() const { return graph_.shape(node_.first_output); }
  [[nodiscard]] std::span<const std::int64_t> list(const char* key) const { return node_.attributes.integers(key); }
  void make_whole(int axis) { plan_.made.set(axis, 0, out()[axis]); }

  void source() {
    if (const auto number = uniform_constant(graph_, node_.first_output)) {
      plan_.attributes.set("values", std::vector<double>{*number}).set("shape", to_axes(plan_.made.sizes));
    } else {
      plan_.made = Box::whole(out());
    }
  }

  // Operands align at their last axis; an axis of 1 serves all.
  void stretched() {
    for (std::size_t i = 0; i < plan_.inputs.size(); ++i) {
      const Shape shape = in(i);
      const int shift = out().rank() - shape.rank();
      for (int axis = 0; axis < shape.rank(); ++axis) {
        if (shape[axis] == 1) continue;
        plan_.inputs[i].set(axis, plan_.made.starts[axis + shift], plan_.made.sizes[axis + shift]);
      }
    }
    if (node_.op == Op::broadcast) plan_.attributes.set("shape", to_axes(plan_.made.sizes));
  }

  bool movement() {
    Box& box = plan_.inputs[0];
    const Box& made = plan_.made;
    switch (node_.op) {
      case Op::reshape:
        box = before_reshape(in(0), out(), plan_.made);
        plan_.attributes.set("shape", to_axes(plan_.made.sizes));
        return true;
      case Op::transpose:
        for (int i = 0; i < out().rank(); ++i) {
          box.set(static_cast<int>(list("axes")[static_cast<std::size_t>(i)]), made.starts[i], made.sizes[i]);
        }
        return true;
      case Op::reverse:
        for (int i = 0; i < out().rank(); ++i) {
          box.set(i, holds(list("axes"), i) ? out()[i] - made.end(i) : made.starts[i], made.sizes[i]);
        }
        return true;
      case Op::reduce_sum:
      case Op::reduce_max:
      case Op::reduce_min: reduction(); return true;
      case Op::cumsum: running_sum(); return true;
      default: return false;
    }
  }

  void reduction() {
    const bool keep = node_.attributes.integer("keep") != 0;
    int axis_out = 0;
    for (int axis = 0; axis < in(0).rank(); ++axis) {
      const bool reduced = holds(list("axes"), axis);
      if (!reduced) plan_.inputs[0].set(axis, plan_.made.starts[axis_out], plan_.made.sizes[axis_out]);
      if (!reduced || keep) ++axis_out;
    }
  }

  void running_sum() {
    const auto axis = static_cast<int>(node_.attributes.integer("axis"));
    const bool backwards = node_.attributes.integer("reverse") != 0;
    const std::int64_t start = backwards ? plan_.made.starts[axis] : 0;
    plan_.made.set(axis, start, (backwards ? out()[axis] : plan_.made.end(axis)) - start);
    plan_.inputs[0] = plan_.made;
  }

  // Operations on rows, which are all axes but the last.
  bool rows() {
    const int count = in(0).rank() - 1;
    std::size_t with_rows = node_.inputs.size();
    switch (node_.op) {
      case Op::softmax:
      case Op::rms_norm:
      case Op::log_sum_exp:
      case Op::cross_entropy:
      case Op::pick: break;
      case Op::layer_norm:
      case Op::linear: with_rows = 1; break;
      case Op::linear_cross_entropy: break;
      default: return false;
    }
    if (out().rank() > count) make_whole(count);
    for (std::size_t i = 0; i < with_rows; ++i) {
      const bool is_weight = node_.op == Op::linear_cross_entropy && i == 1;
      if (!is_weight) plan_.inputs[i] = rows_of(plan_.made, count, in(i));
    }
    return true;
  }

  bool others() {
    switch (node_.op) {
      case Op::gather: {
        const int count = in(1).rank();
        for (int axis = count; axis < out().rank(); ++axis) make_whole(axis);
        plan_.inputs[1] = rows_of(plan_.made, count, in(1));
        return true;
      }
      case Op::place: {
        make_whole(out().rank() - 1);
        for (std::size_t i = 0; i < 2; ++i) plan_.inputs[i] = rows_of(plan_.made, in(i).rank(), in(i));
        return true;
      }
      case Op::rope:
        make_whole(3);
        plan_.inputs[0] = plan_.made;
        for (std::size_t i = 1; i < 3; ++i) plan_.inputs[i].set(0, plan_.made.starts[1], plan_.made.sizes[1]);
        return true;
      case Op::attention: return attention();
      case Op::dot: product(); return true;
      default: return false;
    }
  }

  // Fewer queries; in causal attention without the keys that none of them sees.
  bool attention() {
    const std::int64_t queries = in(0)[1];
    const std::int64_t keys = in(1)[1];
    const std::int64_t causal = node_.attributes.integer("causal");
    make_whole(2);
    make_whole(3);
    const bool from_end = causal == kCausalFromEnd || queries == keys;
    if (node_.inputs.size() > 3 || (causal != 0 && !from_end)) make_whole(1);
    plan_.inputs[0] = plan_.made;
    for (std::size_t i = 1; i < node_.inputs.size(); ++i) plan_.inputs[i].set(0, plan_.made.starts[0], plan_.made.sizes[0]);
    if (causal == 0 || plan_.made.sizes[1] == queries) return true;
    const std::int64_t seen = plan_.made.end(1) + keys - queries;
    for (const std::size_t i : {1U, 2U}) plan_.inputs[i].set(1, 0, seen);
    plan_.attributes.set("causal", seen == plan_.made.sizes[1] ? kCausal : kCausalFromEnd);
    return true;
  }

  // The result has the batch axes, then what is left of both sides.
  void product() {
    int axis = 0;
    const auto give = [&](std::size_t side, std::int64_t to) {
      plan_.inputs[side].set(static_cast<int>(to), plan_.made.starts[axis], plan_.made.sizes[axis]);
    };
    for (std::size_t i = 0; i < list("batch_a").size(); ++i, ++axis) {
      give(0, list("batch_a")[i]);
      give(1, list("batch_b")[i]);
    }
    for (const std::size_t side : {0U, 1U}) {
      const auto batch = list(side == 0 ? "batch_a" : "batch_b");
      const auto contract = list(side == 0 ? "contract_a" : "contract_b");
      for (std::int64_t i = 0; i < in(side).rank(); ++i) {
        if (holds(batch, i) || holds(contract, i)) continue;
        give(side, i);
        ++axis;
      }
    }
  }

  const Graph& graph_;
  const Node& node_;
  Plan plan_;
};

class Narrowing {
 public:
  explicit Narrowing(const Graph& graph)
      : graph_(graph), needed_(graph.value_count()), plans_(graph.nodes().size()), rebuild_(graph), made_(graph.value_count()) {}

  Result<Graph> run() {
    for (const Output& output : graph_.outputs()) need(output.value, Box::whole(graph_.shape(output.value)));
    for (const Update& update : graph_.updates()) need(update.value, Box::whole(graph_.shape(update.value)));
    for (std::size_t i = plans_.size(); i-- > 0;) plan(i);
    for (const Leaf& leaf : graph_.leaves()) made_[leaf.value] = Box::whole(graph_.shape(leaf.value));
    for (std::size_t i = 0; i < plans_.size(); ++i) {
      if (plans_[i]) make(graph_.nodes()[i], *plans_[i]);
    }
    auto made = rebuild_.finish();
    if (!made) return made.error();
    return without_dead_nodes(*made);
  }

 private:
  void need(Value value, const Box& box) {
    std::optional<Box>& needed = needed_[value];
    needed = needed ? hull(*needed, box) : box;
  }

  // What is read of a node's outputs, in the shape of the first; nullopt when nothing is.
  [[nodiscard]] std::optional<Box> needed_of(const Node& node) const {
    std::optional<Box> needed = needed_[node.first_output];
    for (std::uint32_t i = 1; i < node.output_count; ++i) {
      const std::optional<Box>& other = needed_[node.first_output + i];
      if (!other) continue;
      Box box = *other;
      if (node.op == Op::attention) {  // lse [B, H, T] beside y [B, T, H, D]
        box = Box::whole(graph_.shape(node.first_output));
        box.set(0, other->starts[0], other->sizes[0]);
        box.set(1, other->starts[2], other->sizes[2]);
      } else if (node.op != Op::cross_entropy && node.op != Op::linear_cross_entropy) {
        box = Box::whole(graph_.shape(node.first_output));
      }
      needed = needed ? hull(*needed, box) : box;
    }
    return needed;
  }

  void plan(std::size_t number) {
    const Node& node = graph_.nodes()[number];
    if (node.op == Op::leaf) return;
    const auto needed = needed_of(node);
    if (!needed) return;
    Plan made;
    switch (node.op) {
      case Op::slice: made = sliced(node, *needed); break;
      case Op::pad: made = padded(node, *needed); break;
      case Op::concat: made = joined(node, *needed); break;
      default: made = Planner(graph_, node).plan(*needed);
    }
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      if (made.inputs[i].sizes.rank() == 0 || made.inputs[i].sizes.elements() > 0) need(node.inputs[i], made.inputs[i]);
    }
    plans_[number] = std::move(made);
  }

  // The operand's box is the result: no slice is left.
  [[nodiscard]] Plan sliced(const Node& node, const Box& needed) const {
    Plan made{needed, {needed}, node.attributes};
    const auto starts = node.attributes.integers("starts");
    for (int axis = 0; axis < needed.starts.rank(); ++axis) {
      made.inputs[0].starts[axis] += starts[static_cast<std::size_t>(axis)];
    }
    return made;
  }

  // An empty input box: nothing but padding is read.
  [[nodiscard]] Plan padded(const Node& node, const Box& needed) const {
    Plan made{needed, {needed}, node.attributes};
    const Shape& from = graph_.shape(node.inputs[0]);
    Axes low(node.attributes.integers("low").begin(), node.attributes.integers("low").end());
    Axes high(low.size(), 0);
    bool empty = false;
    for (int axis = 0; axis < from.rank(); ++axis) {
      const auto at = static_cast<std::size_t>(axis);
      const std::int64_t begin = std::clamp<std::int64_t>(needed.starts[axis] - low[at], 0, from[axis]);
      const std::int64_t end = std::clamp<std::int64_t>(needed.end(axis) - low[at], 0, from[axis]);
      empty = empty || end <= begin;
      made.inputs[0].set(axis, begin, end - begin);
      low[at] = std::max<std::int64_t>(low[at] - needed.starts[axis], 0);
      high[at] = needed.sizes[axis] - low[at] - (end - begin);
    }
    if (empty) {
      for (int axis = 0; axis < from.rank(); ++axis) made.inputs[0].set(axis, 0, 0);
      return made;
    }
    made.attributes.set("low", std::move(low));
    made.attributes.set("high", std::move(high));
    return made;
  }

  // Empty boxes for the parts that nothing is read of.
  [[nodiscard]] Plan joined(const Node& node, const Box& needed) const {
    Plan made{needed, {}, node.attributes};
    const auto axis = static_cast<int>(node.attributes.integer("axis"));
    std::int64_t at = 0;
    for (const Value input : node.inputs) {
      const std::int64_t length = graph_.shape(input)[axis];
      const std::int64_t begin = std::clamp<std::int64_t>(needed.starts[axis] - at, 0, length);
      const std::int64_t end = std::clamp<std::int64_t>(needed.end(axis) - at, 0, length);
      Box box = needed;
      box.set(axis, begin, end - begin);
      made.inputs.push_back(box);
      at += length;
    }
    return made;
  }

  // ---- making ---------------------------------------------------------------------------------------------------------

  Value fetch(Value old, const Box& wanted) {
    const Value fresh = rebuild_.mapped(old);
    const Box& made = *made_[old];
    if (made == wanted) return fresh;
    Axes starts = to_axes(wanted.starts);
    for (std::size_t i = 0; i < starts.size(); ++i) starts[i] -= made.starts[static_cast<int>(i)];
    return Emitter{rebuild_.graph()}.slice(fresh, starts, to_axes(wanted.sizes));
  }

  void make(const Node& node, const Plan& plan) {
    Graph& to = rebuild_.graph();
    to.push_path(graph_.scope_name(node.scope));
    std::vector<Value> inputs;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const Box& box = plan.inputs[i];
      if (box.sizes.rank() == 0 || box.sizes.elements() > 0) inputs.push_back(fetch(node.inputs[i], box));
    }
    rebuild_.map_outputs(node, emit(node, plan, inputs));
    to.pop_scope();
    for (std::uint32_t i = 0; i < node.output_count; ++i) made_[node.first_output + i] = box_of_output(node, plan.made, i);
  }

  Value emit(const Node& node, const Plan& plan, const std::vector<Value>& inputs) {
    if (node.op == Op::slice || (node.op == Op::concat && inputs.size() == 1)) return inputs[0];
    if (node.op == Op::pad && inputs.empty()) {
      return rebuild_.graph().emit(Op::constant, {},
                                   Attributes()
                                       .set("values", std::vector<double>{node.attributes.real("value")})
                                       .set("shape", to_axes(plan.made.sizes))
                                       .set("dtype", static_cast<std::int64_t>(graph_.dtype(node.first_output))));
    }
    Node changed = node;
    changed.attributes = plan.attributes;
    return rebuild_.graph().emit_like(graph_, changed, inputs);
  }

  [[nodiscard]] Box box_of_output(const Node& node, const Box& made, std::uint32_t output) const {
    const Shape& shape = graph_.shape(node.first_output + output);
    if (output == 0 || node.op == Op::cross_entropy || node.op == Op::linear_cross_entropy) return made;
    Box box = Box::whole(shape);
    if (node.op != Op::attention) return box;
    box.set(0, made.starts[0], made.sizes[0]);
    box.set(2, made.starts[1], made.sizes[1]);
    return box;
  }

  const Graph& graph_;
  std::vector<std::optional<Box>> needed_;  // by value
  std::vector<std::optional<Plan>> plans_;  // by node
  Rebuild rebuild_;
  std::vector<std::optional<Box>> made_;    // by value
};

}  // namespace

Result<Graph> narrow(const Graph& graph) {
  if (auto good = graph.status(); !good) return good.error();
  return Narrowing(graph).run();
}

}  // namespace caddie::graph
