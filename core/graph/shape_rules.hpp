// What one emit has to satisfy and what it makes: a rule per operation. Inside core/graph only.
//
// A rule reads the inputs and the (complete) attributes, writes axes in their normal form back into the attributes and
// gives the type and shape of every output, or an error whose text names the shapes; emit adds operation and scope.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/graph/graph.hpp"

namespace caddie::graph {

inline constexpr std::int64_t kMaxElements = std::int64_t{1} << 40;

struct RuleCall {
  const Graph& graph;
  const OpInfo& op;
  std::span<const Value> inputs;
  Attributes& attributes;
  std::array<ValueInfo, 4> outputs{};
  std::size_t output_count = 0;

  [[nodiscard]] const Shape& shape(std::size_t input) const { return graph.shape(inputs[input]); }
  [[nodiscard]] DType dtype(std::size_t input) const { return graph.dtype(inputs[input]); }
  [[nodiscard]] bool has(std::size_t input) const { return input < inputs.size(); }
  // "x [8, 512, 256]".
  [[nodiscard]] std::string named(std::size_t input) const;
  void give(DType type, const Shape& shape) { outputs[output_count++] = {.dtype = type, .shape = shape}; }
};

using ShapeRule = Result<void> (*)(RuleCall&);

// One family each; nullptr when the operation is of another family.
ShapeRule source_rule(Op op);
ShapeRule elementwise_rule(Op op);
ShapeRule reduction_rule(Op op);
ShapeRule movement_rule(Op op);
ShapeRule contraction_rule(Op op);
ShapeRule index_rule(Op op);
ShapeRule composite_rule(Op op);

// nullptr for an operation nobody gave a rule.
ShapeRule shape_rule(Op op);

// Brings attributes into the table's order, fills defaults, converts whole numbers to reals where reals are asked.
Result<void> complete_attributes(const OpInfo& op, Attributes& attributes);

// ---- pieces of rules ----------------------------------------------------------------------------------------------

Error shape_error(std::string text);
Error argument_error(std::string text);

Result<void> require_dtype(const RuleCall& call, std::size_t input, DType type);
Result<void> require_rank(const RuleCall& call, std::size_t input, int rank);
Result<void> require_same_dtype(const RuleCall& call, std::size_t first, std::size_t second);
Result<void> require_same_shape(const RuleCall& call, std::size_t first, std::size_t second);

// Rank, lengths and element count of a shape from outside.
Result<Shape> checked_shape(std::span<const std::int64_t> lengths, const char* what);
// An axis in [-rank, rank) counted from the front.
Result<std::int64_t> checked_axis(std::int64_t axis, int rank, const char* what);
// Distinct axes of an input, counted from the front, in the order given.
Result<std::vector<std::int64_t>> checked_axes(const RuleCall& call, const char* key, std::size_t input);
// The type an attribute "dtype" names.
Result<DType> checked_dtype(std::int64_t number);

}  // namespace caddie::graph
