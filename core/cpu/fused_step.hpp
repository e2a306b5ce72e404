// A fused group as a step: strips of elementwise work, and the reductions fed by them.
//
// How the elements are cut into tasks, and with them the order of every sum, depends on the group's shape alone.
#pragma once

#include "core/cpu/step.hpp"

namespace caddie::cpu {

CpuStepPtr make_fused_step(const CompileInput& input, const graph::FusedGroup& group);

// Of one thread's arithmetic, for profiles: what one element of an operation costs.
double flops_per_element(graph::Op op);

}  // namespace caddie::cpu
