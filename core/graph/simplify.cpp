#include <unordered_map>

#include "core/graph/constants.hpp"
#include "core/graph/custom.hpp"
#include "core/graph/identities.hpp"
#include "core/graph/passes.hpp"
#include "core/graph/rebuild.hpp"

namespace caddie::graph {
namespace {

// ---- equal nodes ----------------------------------------------------------------------------------------------------

std::size_t combined(std::size_t seed, std::size_t more) { return (seed ^ more) * 0x9E3779B97F4A7C15ULL + (seed >> 7); }

struct AttributeHash {
  std::size_t operator()(std::int64_t number) const { return std::hash<std::int64_t>()(number); }
  std::size_t operator()(double number) const { return std::hash<double>()(number); }
  template <class Number>
  std::size_t operator()(const std::vector<Number>& list) const {
    std::size_t hash = list.size();
    for (const Number number : list) hash = combined(hash, (*this)(number));
    return hash;
  }
};

std::size_t hash_of(const Node& node) {
  std::size_t hash = combined(static_cast<std::size_t>(node.op), node.site);
  for (const Value input : node.inputs) hash = combined(hash, input);
  for (const auto& [key, value] : node.attributes.entries()) hash = combined(hash, std::visit(AttributeHash{}, value));
  if (node.custom != nullptr) hash = combined(hash, std::hash<std::string>()(node.custom->form().name));
  return hash;
}

bool same_kernel(const CustomKernel* a, const CustomKernel* b) {
  return a == b || (a != nullptr && b != nullptr && a->form() == b->form() && a->same_as(*b));
}

bool equal(const Node& a, const Node& b) {
  return a.op == b.op && a.site == b.site && a.inputs == b.inputs && a.attributes == b.attributes &&
         same_kernel(a.custom.get(), b.custom.get());
}

// ---- one pass over the graph ----------------------------------------------------------------------------------------

class Simplification {
 public:
  explicit Simplification(const Graph& from) : from_(from), rebuild_(from) {}

  Result<Graph> run() {
    const std::vector<bool> live = live_nodes(from_);
    for (std::size_t i = 0; i < live.size(); ++i) {
      const Node& node = from_.nodes()[i];
      if (live[i] && node.op != Op::leaf) rewrite(node);
    }
    return rebuild_.finish();
  }

 private:
  void rewrite(const Node& node);
  Value emit_once(const Node& like, const Expression& expression);

  [[nodiscard]] Graph& to() { return rebuild_.graph(); }

  const Graph& from_;
  Rebuild rebuild_;
  std::unordered_multimap<std::size_t, Value> known_;  // hash of a node to its first output
};

// Emits with the scope and site of an old node, or finds the node that already says the same.
Value Simplification::emit_once(const Node& like, const Expression& expression) {
  Node node{.op = expression.op,
            .inputs = expression.inputs,
            .attributes = expression.attributes,
            .scope = like.scope,
            .site = like.site,
            .custom = expression.op == Op::custom ? like.custom : nullptr};
  const std::size_t hash = hash_of(node);
  for (auto [at, end] = known_.equal_range(hash); at != end; ++at) {
    if (equal(to().node_of(at->second), node)) return at->second;
  }
  const Value made = to().emit_like(from_, node, node.inputs);
  if (made != 0) known_.emplace(hash, made);
  return made;
}

void Simplification::rewrite(const Node& node) {
  const Shape& shape = from_.shape(node.first_output);
  Expression expression{node.op, rebuild_.mapped(node.inputs), node.attributes};
  for (;;) {
    Simpler found = simpler(to(), expression, shape);
    if (found.kind == Simpler::Kind::value) return rebuild_.map(node.first_output, found.value);
    if (found.kind == Simpler::Kind::none) break;
    expression = std::move(found.expression);
  }
  const std::vector<Attributes> folded = fold(to(), expression.op, expression.inputs, expression.attributes);
  if (folded.empty()) return rebuild_.map_outputs(node, emit_once(node, expression));
  for (std::uint32_t i = 0; i < node.output_count; ++i) {
    rebuild_.map(node.first_output + i, emit_once(node, {Op::constant, {}, folded[i]}));
  }
}

}  // namespace

Result<Graph> simplify(const Graph& graph) {
  if (auto good = graph.status(); !good) return good.error();
  const auto rewritten = Simplification(graph).run();
  if (!rewritten) return rewritten.error();
  return without_dead_nodes(*rewritten);
}

}  // namespace caddie::graph
