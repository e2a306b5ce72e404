// What is known of values before anything runs. Inside core/graph only.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "core/graph/graph.hpp"

namespace caddie::graph {

// The number all elements have, when the value is a constant of one number.
std::optional<double> uniform_constant(const Graph& graph, Value value);

// A constant or an iota.
bool is_known(const Graph& graph, Value value);

inline constexpr std::int64_t kLargestFolded = std::int64_t{1} << 22;

using Numbers = std::vector<double>;

// What a graph without leaves computes, in float64: the elements of each output; empty where it cannot be run.
std::vector<Numbers> computed_outputs(const Graph& graph);

// The outputs of an operation on known inputs, as attributes of constants; empty when there is nothing to compute (an
// input is not known, the operation is random or custom, or something is larger than kLargestFolded).
std::vector<Attributes> fold(const Graph& graph, Op op, std::span<const Value> inputs, const Attributes& attributes);

}  // namespace caddie::graph
