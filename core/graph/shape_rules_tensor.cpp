// Rules of reductions, contraction and index operations.
#include <fmt/format.h>

#include <algorithm>

#include "core/graph/shape_rules.hpp"

namespace caddie::graph {
namespace {

// ---- reductions -----------------------------------------------------------------------------------------------------

Result<void> reduce_rule(RuleCall& call) {
  auto axes = checked_axes(call, "axes", 0);
  if (!axes) return axes.error();
  const Shape& from = call.shape(0);
  if (axes->empty()) {
    for (int axis = 0; axis < from.rank(); ++axis) axes->push_back(axis);
  }
  std::ranges::sort(*axes);
  const bool keep = call.attributes.integer("keep") != 0;
  Shape shape;
  for (int axis = 0; axis < from.rank(); ++axis) {
    if (!std::ranges::binary_search(*axes, axis)) {
      shape.append(from[axis]);
    } else if (keep) {
      shape.append(1);
    }
  }
  call.attributes.set("axes", std::move(*axes));
  call.attributes.set("keep", std::int64_t{keep});
  call.give(call.dtype(0), shape);
  return {};
}

Result<void> cumsum_rule(RuleCall& call) {
  const auto axis = checked_axis(call.attributes.integer("axis"), call.shape(0).rank(), "axis");
  if (!axis) return argument_error(fmt::format("{}: axis {}", call.named(0), call.attributes.integer("axis")));
  call.attributes.set("axis", *axis);
  call.attributes.set("reverse", std::int64_t{call.attributes.integer("reverse") != 0});
  call.give(call.dtype(0), call.shape(0));
  return {};
}

// ---- contraction ----------------------------------------------------------------------------------------------------

Result<void> same_lengths(const RuleCall& call, const char* what, std::span<const std::int64_t> in_a,
                          std::span<const std::int64_t> in_b) {
  if (in_a.size() != in_b.size()) {
    return argument_error(fmt::format("{} {} axes of a but {} of b", what, in_a.size(), in_b.size()));
  }
  for (std::size_t i = 0; i < in_a.size(); ++i) {
    const auto a = static_cast<int>(in_a[i]);
    const auto b = static_cast<int>(in_b[i]);
    if (call.shape(0)[a] == call.shape(1)[b]) continue;
    return shape_error(fmt::format("{} axis {} of {} with axis {} of {}, which have lengths {} and {}", what, a,
                                   call.named(0), b, call.named(1), call.shape(0)[a], call.shape(1)[b]));
  }
  return {};
}

// Appends the axes of an input that are neither batch nor contracted.
Result<void> append_free(const RuleCall& call, std::size_t input, std::span<const std::int64_t> batch,
                         std::span<const std::int64_t> contract, std::vector<std::int64_t>& lengths) {
  const auto in = [](std::span<const std::int64_t> list, std::int64_t axis) {
    return std::ranges::find(list, axis) != list.end();
  };
  for (int axis = 0; axis < call.shape(input).rank(); ++axis) {
    if (in(batch, axis) && in(contract, axis)) {
      return argument_error(fmt::format("axis {} of {} is both batch and contracted", axis, call.named(input)));
    }
    if (!in(batch, axis) && !in(contract, axis)) lengths.push_back(call.shape(input)[axis]);
  }
  return {};
}

Result<void> dot_rule(RuleCall& call) {
  for (const std::size_t input : {0U, 1U}) {
    if (auto good = require_dtype(call, input, DType::f32); !good) return good;
  }
  static constexpr const char* keys[] = {"batch_a", "batch_b", "contract_a", "contract_b"};
  std::array<std::vector<std::int64_t>, 4> axes;
  for (std::size_t i = 0; i < 4; ++i) {
    auto list = checked_axes(call, keys[i], i % 2);
    if (!list) return list.error();
    axes[i] = std::move(*list);
  }
  const auto& [batch_a, batch_b, contract_a, contract_b] = axes;
  if (auto good = same_lengths(call, "pairs for the batch", batch_a, batch_b); !good) return good;
  if (auto good = same_lengths(call, "contracts", contract_a, contract_b); !good) return good;
  std::vector<std::int64_t> lengths;
  for (const std::int64_t axis : batch_a) lengths.push_back(call.shape(0)[static_cast<int>(axis)]);
  if (auto good = append_free(call, 0, batch_a, contract_a, lengths); !good) return good;
  if (auto good = append_free(call, 1, batch_b, contract_b, lengths); !good) return good;
  const auto shape = checked_shape(lengths, "the result");
  if (!shape) return shape.error();
  for (std::size_t i = 0; i < 4; ++i) call.attributes.set(keys[i], std::move(axes[i]));
  call.give(DType::f32, *shape);
  return {};
}

// ---- index ----------------------------------------------------------------------------------------------------------

// index.shape followed by the lengths of a row of table.
Result<Shape> rows_shape(const RuleCall& call, std::size_t table, std::size_t index) {
  if (auto good = require_dtype(call, index, DType::i32); !good) return good.error();
  if (call.shape(table).rank() < 1) return shape_error(fmt::format("{} has no rows", call.named(table)));
  const auto row = call.shape(table).lengths().subspan(1);
  std::vector<std::int64_t> lengths(call.shape(index).lengths().begin(), call.shape(index).lengths().end());
  lengths.insert(lengths.end(), row.begin(), row.end());
  return checked_shape(lengths, "the result");
}

Result<void> gather_rule(RuleCall& call) {
  const auto shape = rows_shape(call, 0, 1);
  if (!shape) return shape.error();
  call.give(call.dtype(0), *shape);
  return {};
}

Result<void> scatter_add_rule(RuleCall& call) {
  if (auto good = require_same_dtype(call, 0, 2); !good) return good;
  const auto shape = rows_shape(call, 0, 1);
  if (!shape) return shape.error();
  if (call.shape(2) != *shape) {
    return shape_error(
        fmt::format("{} must be {} to fit {} and {}", call.named(2), shape->text(), call.named(0), call.named(1)));
  }
  call.give(call.dtype(0), call.shape(0));
  return {};
}

Result<void> pick_rule(RuleCall& call) {
  if (auto good = require_dtype(call, 1, DType::i32); !good) return good;
  if (call.shape(0).rank() < 1) return shape_error(fmt::format("{} has no axis to pick from", call.named(0)));
  const auto lengths = call.shape(0).lengths();
  const Shape rows(lengths.first(lengths.size() - 1));
  if (call.shape(1) != rows) {
    return shape_error(
        fmt::format("{} must be {} to pick from the last axis of {}", call.named(1), rows.text(), call.named(0)));
  }
  call.give(call.dtype(0), rows);
  return {};
}

Result<void> place_rule(RuleCall& call) {
  if (auto good = require_dtype(call, 1, DType::i32); !good) return good;
  if (auto good = require_same_shape(call, 0, 1); !good) return good;
  std::vector<std::int64_t> lengths(call.shape(0).lengths().begin(), call.shape(0).lengths().end());
  lengths.push_back(call.attributes.integer("size"));
  const auto shape = checked_shape(lengths, "the result");
  if (!shape) return shape.error();
  call.give(call.dtype(0), *shape);
  return {};
}

}  // namespace

ShapeRule reduction_rule(Op op) {
  switch (op) {
    case Op::reduce_sum:
    case Op::reduce_max:
    case Op::reduce_min: return reduce_rule;
    case Op::cumsum: return cumsum_rule;
    default: return nullptr;
  }
}

ShapeRule contraction_rule(Op op) { return op == Op::dot ? dot_rule : nullptr; }

ShapeRule index_rule(Op op) {
  switch (op) {
    case Op::gather: return gather_rule;
    case Op::scatter_add: return scatter_add_rule;
    case Op::pick: return pick_rule;
    case Op::place: return place_rule;
    default: return nullptr;
  }
}

}  // namespace caddie::graph
