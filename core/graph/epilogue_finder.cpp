#include "core/graph/epilogue_finder.hpp"

#include <algorithm>

#include "core/graph/activation_form.hpp"
#include "core/graph/constants.hpp"
#include "core/graph/contraction.hpp"

namespace caddie::graph {
namespace {

bool has(const View& view) { return view.base != 0; }

// A number a value is multiplied by: known, or a single element in memory.
struct Factor {
  double number = 1;
  View element{};
};

std::optional<Factor> factor_of(const Graph& graph, const View& view) {
  if (const auto number = uniform_constant(graph, view.base); number && !view.bounded) return Factor{*number, {}};
  const bool real = graph.dtype(view.base) == DType::f32;
  const bool element = real && view.is_splat() && graph.shape(view.base).elements() == 1;
  return element ? std::optional(Factor{1, view}) : std::nullopt;
}

bool scale(Epilogue& form, const Factor& factor) {
  if (has(form.bias) || (has(form.scale) && factor.number != 1)) return false;
  if (has(factor.element)) {
    if (has(form.scale) || has(form.addend) || form.alpha != 1) return false;
    form.scale = factor.element;
    return true;
  }
  form.alpha *= factor.number;
  form.beta *= factor.number;
  return true;
}

}  // namespace

std::vector<Epilogue> EpilogueFinder::find(std::uint32_t node) const {
  std::vector<Epilogue> found;
  const Value value = graph_.nodes()[node].first_output;
  if (graph_.dtype(value) != DType::f32) return found;
  for (auto& form : {activated_form(node), sloped_form(node), linear_form(value)}) {
    if (!form) continue;
    found.push_back(*form);
    found.back().result = value;
  }
  return found;
}

std::optional<Epilogue> EpilogueFinder::activated_form(std::uint32_t node) const {
  const auto activated = activation_of(graph_, views_, node);
  if (!activated) return std::nullopt;
  if (activated->activation == Activation::relu && readers_.only(activated->of) != node) return std::nullopt;
  auto form = linear_form(activated->of);
  if (!form) return std::nullopt;
  form->activation = activated->activation;
  form->leak = activated->leak;
  form->before = activated->of;
  return form;
}

// Nobody else reads the gradient or what is made of it; what the slope is taken at stands in memory.
std::optional<Epilogue> EpilogueFinder::sloped_form(std::uint32_t node) const {
  const auto is_gradient = [&](Value gradient, const std::vector<Value>& between) {
    const auto stays_inside = [&](Value value) {
      return !readers_.is_kept(value) && std::ranges::all_of(readers_.of(value), [&](const Reader& reader) {
        const Value read_by = graph_.nodes()[reader.node].first_output;
        return reader.node == node || std::ranges::find(between, read_by) != between.end();
      });
    };
    return stays_inside(gradient) && std::ranges::all_of(between, stays_inside) && linear_form(gradient);
  };
  const auto found = slope_of(graph_, views_, node, is_gradient);
  if (!found) return std::nullopt;
  const std::uint32_t maker = graph_.info(found->at).node;
  if (readers_.is_fusible(maker) && !linear_form(found->at)) return std::nullopt;
  auto form = linear_form(found->gradient);
  form->activation = found->activation;
  form->leak = found->leak;
  form->slope_at = views_.all()[found->at];
  return form;
}

std::optional<Epilogue> EpilogueFinder::linear_form(Value value) const {
  const std::uint32_t node = graph_.info(value).node;
  if (!readers_.is_run(node)) return std::nullopt;
  switch (graph_.nodes()[node].op) {
    case Op::dot:
    case Op::linear: return Epilogue{.product = node};
    case Op::rms_norm_backward:
    case Op::layer_norm_backward: return norm_form(value);
    case Op::add:
    case Op::sub: return sum_form(node);
    case Op::mul:
    case Op::div:
    case Op::neg: return scaled_form(node);
    default: return std::nullopt;
  }
}

// The gradient of what the norm was taken of, where the step may be moved behind its other outputs.
std::optional<Epilogue> EpilogueFinder::norm_form(Value value) const {
  const std::uint32_t node = graph_.info(value).node;
  const Node& norm = graph_.nodes()[node];
  if (value != norm.first_output || !rules_.takes_epilogue({.product = node})) return std::nullopt;
  for (std::uint32_t i = 1; i < norm.output_count; ++i) {
    if (!readers_.of(norm.first_output + i).empty()) return std::nullopt;
  }
  return Epilogue{.product = node};
}

// The form of an operand that nobody else reads.
std::optional<Epilogue> EpilogueFinder::inner_form(const View& operand, std::uint32_t reader) const {
  if (!is_all_in_order(graph_, operand) || readers_.only(operand.base) != reader) return std::nullopt;
  return linear_form(operand.base);
}

std::optional<Epilogue> EpilogueFinder::scaled_form(std::uint32_t node) const {
  const Op op = graph_.nodes()[node].op;
  for (std::size_t side = 0; side < (op == Op::mul ? 2U : 1U); ++side) {
    auto factor = op == Op::neg ? Factor{-1, {}} : factor_of(graph_, views_.operand(node, 1 - side));
    if (!factor) continue;
    if (op == Op::div) {
      if (has(factor->element) || factor->number == 0) continue;
      factor->number = 1 / factor->number;
    }
    auto form = inner_form(views_.operand(node, side), node);
    if (form && scale(*form, *factor)) return form;
  }
  return std::nullopt;
}

// Of two products that are added the later one adds: the other is in memory by then.
std::optional<Epilogue> EpilogueFinder::sum_form(std::uint32_t node) const {
  const View& left = views_.operand(node, 0);
  if (left.base == views_.operand(node, 1).base) {
    auto form = graph_.nodes()[node].op == Op::add ? inner_form(left, node) : std::nullopt;
    return form && scale(*form, {2, {}}) ? form : std::nullopt;
  }
  auto form = sum_of(node, 1);
  return form ? form : sum_of(node, 0);
}

std::optional<Epilogue> EpilogueFinder::sum_of(std::uint32_t node, std::size_t side) const {
  auto form = inner_form(views_.operand(node, side), node);
  if (!form) return std::nullopt;
  const bool subtracts = graph_.nodes()[node].op == Op::sub;
  if (subtracts && side == 1 && !scale(*form, {-1, {}})) return std::nullopt;
  return add_term(*form, views_.operand(node, 1 - side), subtracts && side == 0 ? -1 : 1, node) ? form : std::nullopt;
}

bool EpilogueFinder::add_term(Epilogue& form, View term, double sign, std::uint32_t reader) const {
  if (is_bias_of(form, term)) {
    if (has(form.bias) || sign != 1) return false;
    form.bias = term;
    return true;
  }
  if (has(form.addend) || graph_.dtype(term.base) != DType::f32) return false;
  double beta = sign;
  while (is_all_in_order(graph_, term) && !is_in_memory(term, reader)) {
    reader = graph_.info(term.base).node;  // looks through a multiplication by a number
    const Op op = graph_.nodes()[reader].op;
    if (op != Op::mul && op != Op::neg) return false;
    const auto first = op == Op::neg ? std::optional(Factor{-1, {}}) : factor_of(graph_, views_.operand(reader, 1));
    const auto factor = first ? first : factor_of(graph_, views_.operand(reader, 0));
    if (!factor || has(factor->element)) return false;
    term = views_.operand(reader, first ? 0 : 1);
    beta *= factor->number;
  }
  if (!is_all_in_order(graph_, term)) return false;
  form.addend = term;
  form.beta = beta;
  return true;
}

// One element for each column of the product, the same in all rows.
bool EpilogueFinder::is_bias_of(const Epilogue& form, const View& term) const {
  const Node& product = graph_.nodes()[form.product];
  if (product.op != Op::dot && product.op != Op::linear) return false;
  const Contraction c = contraction_of(graph_, product);
  std::int64_t columns = 1;
  for (const std::int64_t axis : c.free[1]) columns *= graph_.shape(product.inputs[1])[static_cast<int>(axis)];
  const std::int64_t rows = graph_.shape(product.first_output).elements() / columns;
  if (term.bounded || columns == 1 || rows == 1 || graph_.dtype(term.base) != DType::f32) return false;
  const auto axes = joined_axes(term);
  return axes.size() == 2 && axes[0].length == rows && axes[0].stride == 0 && axes[1].length == columns &&
         axes[1].stride == 1;
}

// The term costs nothing to keep: it stands in memory anyway, or it can be a product's result.
bool EpilogueFinder::is_in_memory(const View& term, std::uint32_t reader) const {
  const std::uint32_t maker = graph_.info(term.base).node;
  const Node& node = graph_.nodes()[maker];
  if (node.op == Op::leaf || node.op == Op::constant || is_reduction(node.op)) return true;
  if (!readers_.is_fusible(maker) || readers_.only(term.base) != reader) return true;
  return linear_form(term.base).has_value();
}

}  // namespace caddie::graph
