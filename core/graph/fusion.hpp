// Cuts a graph into steps: fused groups of elementwise operations (with the reductions they feed), and single nodes
// that need a kernel of their own. Movement disappears into views wherever a step can read one.
//
// Device-independent. A group walks over `elements` elements in row-major order; element e of a member is made from
// element e of its operands, so a group needs no memory between its members. Plain values; any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/graph/epilogue.hpp"
#include "core/graph/graph.hpp"
#include "core/graph/view.hpp"

namespace caddie::graph {

// What a member reads: an earlier member of the group, or an input of the group.
struct GroupOperand {
  bool is_member = false;
  std::uint32_t index = 0;
  friend bool operator==(const GroupOperand&, const GroupOperand&) = default;
};

// An elementwise operation, a reduction over what the group walks, or a copy (any movement operation).
struct GroupMember {
  std::uint32_t node = 0;
  std::vector<GroupOperand> operands;
  bool stored = false;  // some other step, an output or an update reads it; reductions always are
};

// The walked space cut into axes that are either kept or reduced, alternating, outermost first.
struct ReducedAxis {
  std::int64_t length = 1;
  bool reduced = false;
  friend bool operator==(const ReducedAxis&, const ReducedAxis&) = default;
};

struct FusedGroup {
  std::int64_t elements = 0;
  std::vector<GroupMember> members;   // each after what it reads
  std::vector<View> inputs;           // each of `elements` elements in the order the group walks
  std::vector<ReducedAxis> reduction; // the same for all reductions of the group; empty without one
};

struct Step {
  bool fused = false;
  std::uint32_t node = 0;     // the single node, or the last member
  FusedGroup group;
  std::vector<View> inputs;   // of a single node, in its order; then what the epilogue reads
  std::vector<Value> writes;  // values that get memory here
  // Of a product that makes more than its own value, or another one. Its result may stand where the addend stood.
  std::optional<Epilogue> epilogue = std::nullopt;
};

struct FusionRules {
  // Whether the kernel of a single node can read an input through this view. It must read a whole value in order.
  std::function<bool(const Node&, std::size_t input, const View&)> reads_view;
  // Whether the kernel of a product takes this epilogue. Null: none. Only asked where the result is stored in any case,
  // so that an epilogue saves a step the reading and the product the writing of a value.
  std::function<bool(const Epilogue&)> takes_epilogue = nullptr;
  std::size_t most_members = 96;
  std::size_t most_inputs = 24;
};

struct Partition {
  std::vector<Step> steps;  // in an order that can run
  std::vector<View> views;  // by value: where its elements stand; the base is a leaf, a constant or written by a step
};

Partition partition(const Graph& graph, const FusionRules& rules);

// True for operations that a group makes element by element, sources included.
bool is_elementwise(Op op);
bool is_reduction(Op op);

// Views a step reads: the group's inputs, or the single node's.
std::span<const View> views_read(const Step& step);

// The step's operation, or those of a group, each once: for people.
std::string operations_of(const Graph& graph, const Step& step);

// Whether a step, an output or an update reads the value.
bool is_read(const Graph& graph, const Partition& partition, Value value);

// Elements of a value that stand in memory: a constant of one value is a single one, unless some kernel needs all.
std::int64_t elements_in_memory(const Graph& graph, const Partition& partition, Value value);

// A constant as it stands in memory: f32 or i32 numbers, bit by bit.
std::vector<std::uint32_t> constant_words(const Graph& graph, const Partition& partition, Value constant);

// Whether the step reads `base` only through views that are the whole value in order, so that element e of a result may
// take the place of element e of the base. False where the step does not read it.
bool reads_in_order(const Graph& graph, const Step& step, Value base);

// The kept and reduced axes of a reduction node.
std::vector<ReducedAxis> reduced_axes(const Graph& graph, const Node& node);

}  // namespace caddie::graph
