// Where operations leave the axis along which the members of a bank stand. Inside core/graph only.
#pragma once

#include <cstdint>
#include <vector>

#include "core/graph/graph.hpp"

namespace caddie::graph {

constexpr int kNoAxis = -1;

// The members' axis in an output of the node, where it is input_axes[i] in input i (kNoAxis: depends on no member; at
// least one does). kNoAxis where members meet, or where they might.
int member_axis_after(const Graph& graph, const Node& node, std::uint32_t output, const std::vector<int>& input_axes);

// The axis of an input that runs along axis `axis` of the result; kNoAxis where none does.
int axis_of_input(const Graph& graph, const Node& node, std::size_t input, int axis);

// Every index along this axis has the same elements.
bool repeats_along(const Graph& graph, Value value, int axis);

// The attributes with which the node makes `members` members, its result's axis `axis`.
Attributes attributes_for_members(const Node& node, int axis, std::int64_t members);

// Makes each element of its result from one element of every operand, or moves elements about.
bool keeps_elements_apart(const Graph& graph, const Node& node);

}  // namespace caddie::graph
