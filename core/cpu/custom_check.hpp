// Does a custom kernel keep its duties? For tests, and for whoever checks plugins.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/graph/graph.hpp"

namespace caddie::cpu {

struct CustomCheckOptions {
  double tolerance = 1e-4;         // of f32 against float64, relative to the largest element
  std::int32_t largest_index = 7;  // i32 inputs are 0 .. this
  std::uint64_t seed = 1;          // of the inputs, uniform in [-1, 1)
};

struct CustomReport {
  std::vector<std::string> kernels;  // checked, by name; one for each form, input shapes and parameters
  std::vector<Error> failures;
};

// Every custom kernel of the graph with the shapes it has there, and those its gradients use: that all elements are
// written, each by one part, with the same bits however parts are cut; that values are those of the reference in
// float64; and that the gradient is the one of the reference.
CustomReport check_custom_kernels(const graph::Graph& graph, const CustomCheckOptions& options = {});

}  // namespace caddie::cpu
