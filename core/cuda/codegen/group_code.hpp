// A fused group as kernels: every element is made once, in registers; reductions are folded in fixed trees.
#pragma once

#include "core/cuda/step.hpp"

namespace caddie::cuda {

CudaStep make_fused_step(const CompileInput& input, const graph::FusedGroup& group, const std::string& name);

// Copies a view, element after element, as `type` to `to`, where element e goes to e / stretch * row + start +
// e % stretch (stretch = row: side by side). `instead`: the view's first element stands there.
struct CopyTarget {
  Place place;
  const char* type = "float";
  std::int64_t stretch = 1, row = 1, start = 0;
};
void add_copy(const CompileInput& input, const graph::View& from, const CopyTarget& to, CudaStep& step,
              const Place* instead = nullptr);

}  // namespace caddie::cuda
