// Rules of operations that move elements.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "core/graph/shape_rules.hpp"

namespace caddie::graph {
namespace {

// The lengths with a single -1 replaced by what is left of `elements`; nullopt when that is impossible.
std::optional<std::vector<std::int64_t>> filled_lengths(std::span<const std::int64_t> given, std::int64_t elements) {
  std::vector<std::int64_t> lengths(given.begin(), given.end());
  std::int64_t known = 1;
  std::int64_t* open = nullptr;
  for (std::int64_t& length : lengths) {
    if (length == -1 && open == nullptr) {
      open = &length;
    } else if (length < 1 || length > elements / known) {
      return std::nullopt;
    } else {
      known *= length;
    }
  }
  if (open != nullptr) *open = elements / known;
  return known * (open != nullptr ? *open : 1) == elements ? std::optional(lengths) : std::nullopt;
}

std::string list_text(std::span<const std::int64_t> list) {
  std::string out = "[";
  for (std::size_t i = 0; i < list.size(); ++i) out += (i > 0 ? ", " : "") + std::to_string(list[i]);
  return out + "]";
}

Result<void> require_every_axis(const RuleCall& call, const char* key) {
  const std::size_t given = call.attributes.integers(key).size();
  if (given == static_cast<std::size_t>(call.shape(0).rank())) return {};
  return argument_error(fmt::format("{} {} names {} axes of {}; every axis is named", key,
                                    list_text(call.attributes.integers(key)), given, call.named(0)));
}

Result<void> reshape_rule(RuleCall& call) {
  const auto given = call.attributes.integers("shape");
  const auto lengths = filled_lengths(given, call.shape(0).elements());
  if (!lengths || lengths->size() > Shape::kMaxRank) {
    return shape_error(
        fmt::format("{} of {} elements does not fit {}", call.named(0), call.shape(0).elements(), list_text(given)));
  }
  call.give(call.dtype(0), Shape(*lengths));
  call.attributes.set("shape", std::move(*lengths));
  return {};
}

Result<void> transpose_rule(RuleCall& call) {
  if (auto good = require_every_axis(call, "axes"); !good) return good;
  auto axes = checked_axes(call, "axes", 0);
  if (!axes) return axes.error();
  Shape shape;
  for (const std::int64_t axis : *axes) shape.append(call.shape(0)[static_cast<int>(axis)]);
  call.attributes.set("axes", std::move(*axes));
  call.give(call.dtype(0), shape);
  return {};
}

Result<void> broadcast_rule(RuleCall& call) {
  const auto shape = checked_shape(call.attributes.integers("shape"), "shape");
  if (!shape) return shape.error();
  Shape both;
  if (!broadcast_shapes(call.shape(0), *shape, both) || both != *shape) {
    return shape_error(fmt::format("{} does not stretch to {}", call.named(0), shape->text()));
  }
  call.give(call.dtype(0), *shape);
  return {};
}

Result<void> slice_rule(RuleCall& call) {
  for (const char* key : {"starts", "sizes"}) {
    if (auto good = require_every_axis(call, key); !good) return good;
  }
  const auto starts = call.attributes.integers("starts");
  const auto sizes = call.attributes.integers("sizes");
  for (std::size_t axis = 0; axis < starts.size(); ++axis) {
    const std::int64_t length = call.shape(0)[static_cast<int>(axis)];
    if (starts[axis] >= 0 && sizes[axis] >= 1 && starts[axis] < length && sizes[axis] <= length - starts[axis])
      continue;
    return shape_error(
        fmt::format("{}: {} elements from {} on do not fit axis {}", call.named(0), sizes[axis], starts[axis], axis));
  }
  call.give(call.dtype(0), Shape(sizes));
  return {};
}

Result<void> pad_rule(RuleCall& call) {
  for (const char* key : {"low", "high"}) {
    if (auto good = require_every_axis(call, key); !good) return good;
  }
  const auto low = call.attributes.integers("low");
  const auto high = call.attributes.integers("high");
  Shape shape = call.shape(0);
  for (std::size_t axis = 0; axis < low.size(); ++axis) {
    if (low[axis] < 0 || high[axis] < 0 || low[axis] > kMaxElements || high[axis] > kMaxElements) {
      return argument_error(fmt::format("{}: low {} and high {} on axis {}; counts are not negative", call.named(0),
                                        low[axis], high[axis], axis));
    }
    shape[static_cast<int>(axis)] += low[axis] + high[axis];
  }
  const double value = call.attributes.real("value");
  const bool whole = value == std::floor(value) && std::abs(value) <= std::numeric_limits<std::int32_t>::max();
  if (call.dtype(0) == DType::i32 && !whole)
    return argument_error(fmt::format("value {} for i32 {}", value, call.named(0)));
  call.give(call.dtype(0), shape);
  return {};
}

Result<void> concat_rule(RuleCall& call) {
  Shape shape = call.shape(0);
  const auto axis = checked_axis(call.attributes.integer("axis"), shape.rank(), "axis");
  if (!axis) return argument_error(fmt::format("{}: axis {}", call.named(0), call.attributes.integer("axis")));
  const auto along = static_cast<int>(*axis);
  for (std::size_t input = 1; input < call.inputs.size(); ++input) {
    if (auto good = require_same_dtype(call, 0, input); !good) return good;
    Shape fitting = call.shape(input);
    if (fitting.rank() == shape.rank()) fitting[along] = shape[along];
    if (fitting != shape) {
      return shape_error(fmt::format("{} does not fit {} along axis {}: all other axes are equal", call.named(input),
                                     call.named(0), along));
    }
    shape[along] += call.shape(input)[along];
  }
  call.attributes.set("axis", *axis);
  call.give(call.dtype(0), shape);
  return {};
}

Result<void> reverse_rule(RuleCall& call) {
  auto axes = checked_axes(call, "axes", 0);
  if (!axes) return axes.error();
  std::ranges::sort(*axes);
  call.attributes.set("axes", std::move(*axes));
  call.give(call.dtype(0), call.shape(0));
  return {};
}

}  // namespace

ShapeRule movement_rule(Op op) {
  switch (op) {
    case Op::reshape: return reshape_rule;
    case Op::transpose: return transpose_rule;
    case Op::broadcast: return broadcast_rule;
    case Op::slice: return slice_rule;
    case Op::pad: return pad_rule;
    case Op::concat: return concat_rule;
    case Op::reverse: return reverse_rule;
    default: return nullptr;
  }
}

}  // namespace caddie::graph
