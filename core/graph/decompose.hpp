// The meaning of composites: what each is in primitives. Inside core/graph only.
#pragma once

#include <span>
#include <vector>

#include "core/graph/emitter.hpp"

namespace caddie::graph {

// Emits the primitives of one composite on the given inputs; returns its outputs in order.
using Decomposition = std::vector<Value> (*)(const Emitter&, const Node&, std::span<const Value> inputs);

// One family each; nullptr when the operation is of another family.
Decomposition basic_decomposition(Op op);
Decomposition attention_decomposition(Op op);
Decomposition loss_decomposition(Op op);

// nullptr for primitives.
Decomposition decomposition(Op op);

// softmax, log-sum-exp and x w^T in primitives, shared by several decompositions.
Value emit_softmax(const Emitter& e, Value x);
Value emit_log_sum_exp(const Emitter& e, Value x);
Value emit_linear(const Emitter& e, Value x, Value w);

}  // namespace caddie::graph
