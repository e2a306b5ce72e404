// CUDA C++ for one element of an elementwise operation. Plain functions; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "core/graph/graph.hpp"

namespace caddie::cuda {

// The operation on operands given as expressions; `element` is the expression of the element's number in the node's
// shape. Not for random numbers.
std::string expression(const graph::Graph& graph, const graph::Node& node, std::span<const std::string> operands,
                       const std::string& element);

// Fills `name`[lanes] with a random node's elements `e`, e + 1, ...; `run` is the pointer to the RunKey.
std::string random_code(const graph::Node& node, const std::string& name, const std::string& e, int lanes,
                        const std::string& run);

}  // namespace caddie::cuda
