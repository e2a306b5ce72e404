// The graph every numerical thing of Caddie is: values made by operations from other values.
//
// A Graph is built once, by one thread. It owns its nodes and values; a Value is a small number, 0 means "none".
// Building never throws: the first mistake is kept (operation, shapes, scope), later emits return 0, status() tells it.
// Nodes stand in an order in which every input comes before its use.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/graph/attributes.hpp"
#include "core/graph/ops.hpp"
#include "core/graph/shape.hpp"

namespace caddie::graph {

using Value = std::uint32_t;  // 0 is none

class CustomKernel;  // custom.hpp

// What a leaf stands for; executors only care whether an update may write it.
enum class LeafKind {
  input,      // given anew for every run: tokens, targets, step scalars
  parameter,  // trained; gradients are asked for these
  state,      // kept between runs: momenta, averages, counters, gradients handed from one program to the next
};

struct Leaf {
  LeafKind kind = LeafKind::input;
  std::string name;  // unique in the graph
  Value value = 0;
};

struct ValueInfo {
  DType dtype = DType::f32;
  Shape shape;
  std::uint32_t node = 0;    // the node that makes it
  std::uint32_t output = 0;  // which of the node's outputs
};

struct Node {
  Op op = Op::leaf;
  std::vector<Value> inputs;
  Attributes attributes;
  Value first_output = 0;         // outputs are first_output, first_output + 1, ...
  std::uint32_t output_count = 1;
  std::uint32_t scope = 0;        // index for Graph::scope_name
  std::uint64_t site = 0;         // random operations: which random numbers; equal sites draw equal bits
  std::shared_ptr<const CustomKernel> custom = nullptr;  // of Op::custom
};

struct Output {
  std::string name;
  Value value = 0;
};

// After a run the leaf (parameter or state) holds what `value` had; all updates happen at once, after every read.
struct Update {
  Value leaf = 0;
  Value value = 0;
};

class Graph {
 public:
  Graph();

  // ---- building ---------------------------------------------------------------------------------------------

  Value leaf(LeafKind kind, std::string_view name, DType dtype, const Shape& shape);

  // The first output of a new node, 0 after any mistake. Checks count, types and shapes of inputs and attributes.
  // The node's attributes are complete and in one form, so that readers need no special cases: the table's order,
  // defaults filled in, axes counted from the front, reshape's -1 worked out, axes of reductions and reverse in
  // rising order and never "none means all". A list that is left out is empty. Lengths are at least 1.
  Value emit(Op op, std::span<const Value> inputs, Attributes attributes = {});
  Value emit(Op op, std::initializer_list<Value> inputs, Attributes attributes = {});
  // A node that a plugin computes; its outputs are as the kernel's form says.
  Value custom(std::shared_ptr<const CustomKernel> kernel, std::span<const Value> inputs);
  // Output number `index` of the node that makes `first`.
  [[nodiscard]] Value output_of(Value first, std::uint32_t index) const { return first == 0 ? 0 : first + index; }

  void output(std::string_view name, Value value);
  void update(Value leaf, Value value);
  // The graph then changes nothing when it runs, and gives no more than what is named afterwards.
  void drop_outputs_and_updates();

  // Names for people: everything emitted until pop_scope carries the path, "blocks.7.attn/rope".
  void push_scope(std::string_view name);
  // The same with a whole path, whatever scope is open.
  void push_path(std::string_view path);
  void pop_scope();
  [[nodiscard]] const std::string& current_scope() const;

  // Records the first mistake; later calls change nothing. Says nothing about who is to blame: the text does.
  void fail(Error error);
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] Result<void> status() const;

  // ---- reading ----------------------------------------------------------------------------------------------
  // References and spans end with the next leaf or operation; copy a Shape or Node that is to outlive it.

  [[nodiscard]] const ValueInfo& info(Value value) const { return values_[value]; }
  [[nodiscard]] const Shape& shape(Value value) const { return values_[value].shape; }
  [[nodiscard]] DType dtype(Value value) const { return values_[value].dtype; }
  [[nodiscard]] const Node& node_of(Value value) const { return nodes_[values_[value].node]; }
  [[nodiscard]] bool is_valid(Value value) const { return value != 0 && value < values_.size(); }
  [[nodiscard]] std::span<const Node> nodes() const { return nodes_; }
  [[nodiscard]] std::size_t value_count() const { return values_.size(); }  // values are 1 .. value_count()-1
  [[nodiscard]] std::span<const Leaf> leaves() const { return leaves_; }
  [[nodiscard]] const Leaf* find_leaf(std::string_view name) const;
  [[nodiscard]] const Leaf* leaf_of(Value value) const;  // nullptr when the value is no leaf
  [[nodiscard]] std::span<const Output> outputs() const { return outputs_; }
  [[nodiscard]] std::span<const Update> updates() const { return updates_; }
  [[nodiscard]] const std::string& scope_name(std::uint32_t scope) const { return scopes_[scope].path; }
  // One line per node, for tests and for people.
  [[nodiscard]] std::string text() const;

  // For passes that rebuild a graph: emit with the scope and the site of another graph's node.
  Value emit_like(const Graph& other, const Node& node, std::span<const Value> inputs);

 private:
  struct Scope {
    std::string path;
    std::uint32_t random_nodes = 0;  // numbers the sites of this scope
  };

  std::uint32_t intern_scope(std::string_view path);
  std::uint64_t next_site(std::uint32_t scope);
  void fail_at(std::uint32_t scope, Error error);
  // Sites of random operations: `site`, or a new one when it is 0.
  Value emit_in(std::uint32_t scope, std::uint64_t site, Op op, std::span<const Value> inputs, Attributes attributes);
  Value custom_in(std::uint32_t scope, std::shared_ptr<const CustomKernel> kernel, std::span<const Value> inputs);
  Value add_node(Node node, std::span<const ValueInfo> outputs);
  bool name_is_free(std::string_view name, const char* what);

  std::vector<Node> nodes_;
  std::vector<ValueInfo> values_;
  std::vector<Leaf> leaves_;
  std::vector<Output> outputs_;
  std::vector<Update> updates_;
  std::vector<Scope> scopes_;
  std::map<std::string, std::uint32_t, std::less<>> scope_numbers_;
  std::map<std::string, std::uint32_t, std::less<>> leaf_numbers_;
  std::vector<std::uint32_t> scope_stack_;
  Error error_;
  bool failed_ = false;
};

}  // namespace caddie::graph
