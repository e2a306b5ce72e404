#include "core/graph/batch_split.hpp"

#include <algorithm>

#include "core/graph/batch_kinds.hpp"
#include "core/graph/constants.hpp"
#include "core/graph/emitter.hpp"
#include "core/graph/fusion.hpp"
#include "core/graph/view.hpp"

namespace caddie::graph {
namespace {

constexpr Value kUnknown = 0;

// The inputs that have the batch: i32 [B, T], and every other input of that very shape.
std::vector<Value> leaves_with_batch(const Graph& graph, Shape& batch) {
  std::vector<Value> found;
  for (const Leaf& leaf : graph.leaves()) {
    const Shape& shape = graph.shape(leaf.value);
    if (leaf.kind != LeafKind::input || graph.dtype(leaf.value) != DType::i32 || shape.rank() != 2) continue;
    batch = shape;
    break;
  }
  for (const Leaf& leaf : graph.leaves()) {
    if (batch.rank() == 2 && leaf.kind == LeafKind::input && graph.shape(leaf.value) == batch) found.push_back(leaf.value);
  }
  return found;
}

std::int64_t count_slabs(const Shape& batch, std::int64_t tokens) {
  for (std::int64_t slabs = batch[0]; slabs > 1; --slabs) {
    if (batch[0] % slabs == 0 && batch.elements() / slabs >= tokens) return slabs;
  }
  return 1;
}

bool is_heavy(Op op) {
  return op == Op::dot || op == Op::linear || op == Op::attention || op == Op::attention_backward ||
         op == Op::linear_cross_entropy || op == Op::linear_cross_entropy_backward;
}

// Products of so few rows in a slab that reading their weights is most of the work, and which no attention comes after:
// the end of a graph that is narrowed to some positions of every row. They cost less with the rows of all slabs at once.
std::vector<bool> products_of_few_rows(const Graph& graph, std::int64_t slabs, std::int64_t tokens_of_slab) {
  std::vector<bool> few(graph.nodes().size(), false);
  std::vector<bool> before_attention(graph.nodes().size(), false);
  for (std::size_t i = few.size(); i-- > 0;) {
    const Node& node = graph.nodes()[i];
    if (before_attention[i] || node.op == Op::attention || node.op == Op::attention_backward) {
      for (const Value input : node.inputs) before_attention[graph.info(input).node] = true;
    }
    if (before_attention[i] || (node.op != Op::linear && node.op != Op::linear_cross_entropy)) continue;
    const Shape& out = graph.shape(node.first_output);
    const std::int64_t rows = out.elements() / (node.op == Op::linear ? out[out.rank() - 1] : 1);
    few[i] = 2 * rows < slabs * tokens_of_slab;
  }
  return few;
}

class Splitter {
 public:
  Splitter(const Graph& graph, std::int64_t slabs, const std::vector<Value>& split_leaves, std::vector<bool> whole)
      : graph_(graph), whole_(std::move(whole)), kinds_(graph, slabs, split_leaves, whole_), split_leaves_(split_leaves),
        in_shared_(graph.value_count(), kUnknown), in_body_(graph.value_count(), kUnknown),
        in_tail_(graph.value_count(), kUnknown), crossing_of_(graph.value_count(), -1) {
    split_.slabs = slabs;
  }

  std::optional<BatchSplit> run() {
    if (!is_worthwhile()) return std::nullopt;
    // In the graph's own order: executors run nodes as they stand.
    for (const Node& node : graph_.nodes()) {
      const BatchKind kind = kinds_.of(node.first_output);
      if (node.op == Op::leaf || kind == BatchKind::same) continue;
      if (kind == BatchKind::after) {
        after(node.first_output);
      } else {
        body(node.first_output);
      }
    }
    for (const Output& output : graph_.outputs()) place_output(output);
    for (const Update& update : graph_.updates()) {
      const Value to = after(update.leaf);
      split_.tail.update(to, after(update.value));
    }
    for (const Graph* part : {&split_.shared, &split_.body, &split_.tail}) {
      if (part->failed()) return std::nullopt;
    }
    return std::move(split_);
  }

 private:
  // Some product keeps its rows apart, and none is left for the end that works on rows but those meant for it.
  [[nodiscard]] bool is_worthwhile() const {
    std::vector<bool> from_rows(graph_.value_count(), false);  // rows, and what is made of them otherwise than by sums
    bool any = false;
    for (const Node& node : graph_.nodes()) {
      const BatchKind kind = kinds_.of(node.first_output);
      const bool on_rows = kind != BatchKind::sum && (kind == BatchKind::rows || std::ranges::any_of(node.inputs, [&](Value v) {
                             return from_rows[v];
                           }));
      for (std::uint32_t i = 0; i < node.output_count; ++i) {
        from_rows[node.first_output + i] = on_rows && kinds_.of(node.first_output + i) != BatchKind::sum;
      }
      const bool meant = whole_[graph_.info(node.first_output).node];
      if (is_heavy(node.op) && kind == BatchKind::after && on_rows && !meant) return false;
      any = any || (is_heavy(node.op) && kind == BatchKind::rows);
    }
    return any;
  }

  [[nodiscard]] Shape cut(Shape shape) const {
    shape[0] /= split_.slabs;
    return shape;
  }

  std::int64_t crossing(Value value, Crossing::Kind kind, const char* prefix) {
    std::int64_t& at = crossing_of_[value];
    if (at < 0) {
      at = static_cast<std::int64_t>(split_.crossings.size());
      split_.crossings.push_back({kind, prefix + std::to_string(value), graph_.dtype(value),
                                  graph_.shape(value).elements(), false, ""});
    }
    return at;
  }
  Crossing& at(std::int64_t index) { return split_.crossings[static_cast<std::size_t>(index)]; }

  void place_output(const Output& output) {
    const BatchKind kind = kinds_.of(output.value);
    const bool is_leaf = graph_.node_of(output.value).op == Op::leaf;
    if ((kind == BatchKind::rows || kind == BatchKind::sum) && !is_leaf) {
      Crossing& result = at(body_result(output.value));
      if (result.output.empty()) {
        result.output = output.name;
        return;
      }
    }
    split_.tail.output(output.name, after(output.value));
  }

  // Rows or sums of the body as a crossing.
  std::int64_t body_result(Value value) {
    if (crossing_of_[value] >= 0) return crossing_of_[value];
    const bool is_sum = kinds_.of(value) == BatchKind::sum;
    const std::int64_t index =
        is_sum ? crossing(value, Crossing::Kind::partial, "partial/") : crossing(value, Crossing::Kind::slab, "slab/");
    const Value made = body(value);
    const Shape shape = is_sum ? graph_.shape(value) : cut(graph_.shape(value));
    split_.body.update(split_.body.leaf(LeafKind::state, at(index).name, graph_.dtype(value), shape), made);
    return index;
  }

  // ---- shared -------------------------------------------------------------------------------------------------------

  Value shared(Value value) {
    if (in_shared_[value] == kUnknown) copy_node(split_.shared, in_shared_, value, [&](Value v) { return shared(v); });
    return in_shared_[value];
  }

  // A value that depends on no row, in another part: small ones are made again, others cross.
  Value same_in(Graph& part, std::vector<Value>& known, Value value) {
    if (known[value] != kUnknown) return known[value];
    const Node node = graph_.node_of(value);
    if (node.op == Op::leaf || node.op == Op::constant || moves_only(graph_, node)) {
      copy_node(part, known, value, [&](Value v) { return same_in(part, known, v); });
    } else {
      const std::int64_t index = crossing(value, Crossing::Kind::shared, "shared/");
      if (!has_output(split_.shared, at(index).name)) split_.shared.output(at(index).name, shared(value));
      known[value] = part.leaf(LeafKind::input, at(index).name, graph_.dtype(value), graph_.shape(value));
    }
    return known[value];
  }

  static bool has_output(const Graph& graph, const std::string& name) {
    return std::ranges::any_of(graph.outputs(), [&](const Output& output) { return output.name == name; });
  }

  template <class Get>
  void copy_node(Graph& part, std::vector<Value>& known, Value value, Get get) {
    const Node node = graph_.node_of(value);
    if (node.op == Op::leaf) {
      const Leaf* leaf = graph_.leaf_of(value);
      part.push_path(graph_.scope_name(node.scope));
      known[value] = part.leaf(leaf->kind, leaf->name, graph_.dtype(value), graph_.shape(value));
      part.pop_scope();
      if (&part == &split_.body) split_.body_leaves.push_back(leaf->name);
      return;
    }
    std::vector<Value> inputs;
    for (const Value input : node.inputs) inputs.push_back(get(input));
    map(known, node, part.emit_like(graph_, node, inputs));
  }

  static void map(std::vector<Value>& known, const Node& node, Value first) {
    for (std::uint32_t i = 0; i < node.output_count; ++i) known[node.first_output + i] = first + i;
  }

  // ---- body ---------------------------------------------------------------------------------------------------------

  Value body(Value value) {
    if (in_body_[value] != kUnknown) return in_body_[value];
    const Node node = graph_.node_of(value);
    if (node.op == Op::leaf) {
      const Leaf* leaf = graph_.leaf_of(value);
      split_.split_leaves.push_back(leaf->name);
      split_.body_leaves.push_back(leaf->name);
      return in_body_[value] =
                 split_.body.leaf(leaf->kind, leaf->name, graph_.dtype(value), cut(graph_.shape(value)));
    }
    std::vector<Value> inputs;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) inputs.push_back(body_input(node, i));
    map(in_body_, node, split_.body.emit_like(graph_, cut_node(node), inputs));
    return in_body_[value];
  }

  Value body_input(const Node& node, std::size_t i) {
    const Value input = node.inputs[i];
    if (kinds_.of(input) != BatchKind::same) return body(input);
    if (is_elementwise(node.op)) {
      return kinds_.of(node.first_output) == BatchKind::rows && spans_first_axis(graph_, node, input)
                 ? slab_of_same(input)
                 : same_in(split_.body, in_body_, input);
    }
    const bool whole = ((node.op == Op::dot || node.op == Op::linear || node.op == Op::linear_cross_entropy ||
                         node.op == Op::linear_cross_entropy_backward) &&
                        i == 1) ||
                       ((node.op == Op::gather || node.op == Op::scatter_add) && i == 0) ||
                       ((node.op == Op::rope || node.op == Op::layer_norm) && i > 0) ||
                       (node.op == Op::layer_norm_backward && i == 1);
    return whole ? same_in(split_.body, in_body_, input) : slab_of_same(input);
  }

  // A value that stretches over the batch but depends on no row: made for one slab, or its slab of what is made whole.
  Value slab_of_same(Value value) {
    for (const auto& [known, made] : slabs_of_same_) {
      if (known == value) return made;
    }
    if (!kinds_.can_cut(value)) {
      split_.crossings.push_back({Crossing::Kind::given, "given/" + std::to_string(value), graph_.dtype(value),
                                  graph_.shape(value).elements(), false, ""});
      const std::string& name = split_.crossings.back().name;
      split_.shared.output(name, shared(value));
      const Value leaf = split_.body.leaf(LeafKind::input, name, graph_.dtype(value), cut(graph_.shape(value)));
      slabs_of_same_.emplace_back(value, leaf);
      return leaf;
    }
    const Node node = graph_.node_of(value);
    std::vector<Value> inputs;
    for (const Value input : node.inputs) {
      const bool stretched = node.op == Op::reshape || spans_first_axis(graph_, node, input);
      inputs.push_back(stretched ? slab_of_same(input) : same_in(split_.body, in_body_, input));
    }
    const Value made = split_.body.emit_like(graph_, cut_node(node), inputs);
    slabs_of_same_.emplace_back(value, made);
    return made;
  }

  // The node with the first axis of its result cut where an attribute spells it out.
  [[nodiscard]] Node cut_node(const Node& node) const {
    Node out = node;
    const bool rows = kinds_.of(node.first_output) != BatchKind::sum;
    if (!rows) return out;
    const auto shorten = [&](const char* key) {
      Axes axes(node.attributes.integers(key).begin(), node.attributes.integers(key).end());
      axes[0] /= split_.slabs;
      out.attributes.set(key, std::move(axes));
    };
    switch (node.op) {
      case Op::constant: {
        const auto values = node.attributes.reals("values");
        const std::size_t kept = values.size() == 1 ? 1 : values.size() / static_cast<std::size_t>(split_.slabs);
        out.attributes.set("values", std::vector<double>(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(kept)));
        shorten("shape");
        break;
      }
      case Op::reshape:
      case Op::broadcast:
      case Op::iota:
      case Op::random_uniform:
      case Op::random_normal: shorten("shape"); break;
      case Op::slice: shorten("sizes"); break;
      default: break;
    }
    return out;
  }

  // ---- tail ---------------------------------------------------------------------------------------------------------

  Value after(Value value) {
    if (in_tail_[value] != kUnknown) return in_tail_[value];
    switch (kinds_.of(value)) {
      case BatchKind::same: return same_in(split_.tail, in_tail_, value);
      case BatchKind::after:
        copy_node(split_.tail, in_tail_, value, [&](Value v) { return after(v); });
        return in_tail_[value];
      case BatchKind::rows:
        if (graph_.node_of(value).op == Op::leaf) {
          copy_node(split_.tail, in_tail_, value, [&](Value v) { return after(v); });
          return in_tail_[value];
        }
        break;
      case BatchKind::sum: break;
    }
    const std::int64_t index = body_result(value);
    at(index).is_read_by_tail = true;
    return in_tail_[value] =
               split_.tail.leaf(LeafKind::input, at(index).name, graph_.dtype(value), graph_.shape(value));
  }

  const Graph& graph_;
  std::vector<bool> whole_;  // by node
  BatchKinds kinds_;
  std::vector<Value> split_leaves_;
  BatchSplit split_;
  std::vector<Value> in_shared_, in_body_, in_tail_;
  std::vector<std::int64_t> crossing_of_;
  std::vector<std::pair<Value, Value>> slabs_of_same_;
};

}  // namespace

std::optional<BatchSplit> split_batch(const Graph& graph, const SplitRules& rules) {
  if (graph.failed()) return std::nullopt;
  Shape batch;
  const std::vector<Value> leaves = leaves_with_batch(graph, batch);
  if (leaves.empty()) return std::nullopt;
  const std::int64_t slabs = count_slabs(batch, rules.tokens_of_slab);
  if (slabs < 2) return std::nullopt;
  const std::vector<bool> few = products_of_few_rows(graph, slabs, rules.tokens_of_slab);
  if (auto split = Splitter(graph, slabs, leaves, few).run()) return split;
  return Splitter(graph, slabs, leaves, std::vector<bool>(few.size(), false)).run();
}

}  // namespace caddie::graph
