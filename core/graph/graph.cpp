#include "core/graph/graph.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/hash.hpp"
#include "core/graph/custom.hpp"
#include "core/graph/shape_rules.hpp"

namespace caddie::graph {

Graph::Graph() {
  values_.emplace_back();
  scope_stack_.push_back(intern_scope(""));
}

// ---- scopes and errors ----------------------------------------------------------------------------------------------

std::uint32_t Graph::intern_scope(std::string_view path) {
  const auto found = scope_numbers_.find(path);
  if (found != scope_numbers_.end()) return found->second;
  const auto number = static_cast<std::uint32_t>(scopes_.size());
  const auto entry = scope_numbers_.emplace(path, number).first;
  scopes_.push_back({.path = entry->first});
  return number;
}

void Graph::push_scope(std::string_view name) {
  const std::string& outer = current_scope();
  scope_stack_.push_back(outer.empty() ? intern_scope(name) : intern_scope(fmt::format("{}/{}", outer, name)));
}

void Graph::push_path(std::string_view path) { scope_stack_.push_back(intern_scope(path)); }

void Graph::pop_scope() {
  if (scope_stack_.size() > 1) {
    scope_stack_.pop_back();
  } else {
    fail({Code::state, "", "pop_scope without a push_scope before it; every scope is closed once"});
  }
}

const std::string& Graph::current_scope() const { return scopes_[scope_stack_.back()].path; }

// The number counts random operations of one scope, so blocks added elsewhere leave the other sites alone.
std::uint64_t Graph::next_site(std::uint32_t scope) {
  return hash_text(fmt::format("{}#{}", scopes_[scope].path, scopes_[scope].random_nodes++));
}

void Graph::fail(Error error) {
  if (failed_) return;
  failed_ = true;
  error_ = std::move(error);
}

void Graph::fail_at(std::uint32_t scope, Error error) {
  error.where = scopes_[scope].path;
  fail(std::move(error));
}

Result<void> Graph::status() const {
  if (failed_) return error_;
  return {};
}

// ---- building -------------------------------------------------------------------------------------------------------

Value Graph::add_node(Node node, std::span<const ValueInfo> outputs) {
  node.first_output = static_cast<Value>(values_.size());
  node.output_count = static_cast<std::uint32_t>(outputs.size());
  const auto number = static_cast<std::uint32_t>(nodes_.size());
  for (std::uint32_t output = 0; output < node.output_count; ++output) {
    ValueInfo& made = values_.emplace_back(outputs[output]);
    made.node = number;
    made.output = output;
  }
  nodes_.push_back(std::move(node));
  return nodes_.back().first_output;
}

bool Graph::name_is_free(std::string_view name, const char* what) {
  const bool taken = find_leaf(name) != nullptr ||
                     std::ranges::any_of(outputs_, [&](const Output& output) { return output.name == name; });
  if (name.empty()) {
    fail_at(scope_stack_.back(), argument_error(fmt::format("{} without a name; names tie memory to values", what)));
  } else if (taken) {
    fail_at(scope_stack_.back(),
            argument_error(
                fmt::format("{} \"{}\": the name is taken; leaves and outputs need distinct names", what, name)));
  }
  return !failed_;
}

Value Graph::leaf(LeafKind kind, std::string_view name, DType dtype, const Shape& shape) {
  if (failed_ || !name_is_free(name, "leaf")) return 0;
  if (const auto checked = checked_shape(shape.lengths(), "its shape"); !checked) {
    Error error = checked.error();
    error.text = fmt::format("leaf \"{}\": {}", name, error.text);
    fail_at(scope_stack_.back(), std::move(error));
    return 0;
  }
  Node node;
  node.scope = scope_stack_.back();
  const ValueInfo made{.dtype = dtype, .shape = shape};
  const Value value = add_node(std::move(node), {&made, 1});
  leaf_numbers_.emplace(name, static_cast<std::uint32_t>(leaves_.size()));
  leaves_.push_back({kind, std::string(name), value});
  return value;
}

Value Graph::emit(Op op, std::span<const Value> inputs, Attributes attributes) {
  return emit_in(scope_stack_.back(), 0, op, inputs, std::move(attributes));
}

Value Graph::emit(Op op, std::initializer_list<Value> inputs, Attributes attributes) {
  return emit(op, std::span(inputs.begin(), inputs.size()), std::move(attributes));
}

Value Graph::emit_like(const Graph& other, const Node& node, std::span<const Value> inputs) {
  const std::uint32_t scope = intern_scope(other.scope_name(node.scope));
  if (node.op == Op::custom) return custom_in(scope, node.custom, inputs);
  return emit_in(scope, node.site, node.op, inputs, node.attributes);
}

namespace {

// Counts and existence of inputs; takes off optional inputs that are none.
Result<void> check_inputs(const Graph& graph, const OpInfo& op, std::vector<Value>& inputs) {
  const auto least = static_cast<std::size_t>(op.min_inputs);
  while (inputs.size() > least && inputs.size() <= op.inputs.size() && inputs.back() == 0) inputs.pop_back();
  if (inputs.size() < least || inputs.size() > static_cast<std::size_t>(op.max_inputs)) {
    const std::string wanted = op.min_inputs == op.max_inputs ? fmt::format("{}", op.min_inputs)
                               : op.max_inputs > 100          ? fmt::format("{} or more", op.min_inputs)
                                                              : fmt::format("{} to {}", op.min_inputs, op.max_inputs);
    return argument_error(fmt::format("takes {} inputs but was given {}", wanted, inputs.size()));
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (graph.is_valid(inputs[i])) continue;
    const std::string& name = op.inputs[std::min(i, op.inputs.size() - 1)];
    return argument_error(inputs[i] == 0
                              ? fmt::format("input {} is none", name)
                              : fmt::format("input {} is value {}, which this graph does not have", name, inputs[i]));
  }
  return {};
}

}  // namespace

Value Graph::emit_in(std::uint32_t scope, std::uint64_t site, Op op, std::span<const Value> inputs,
                     Attributes attributes) {
  if (failed_) return 0;
  const OpInfo* row = find_op(static_cast<std::uint32_t>(op));
  if (row == nullptr) {
    const auto code = static_cast<std::uint32_t>(op);
    fail_at(scope, argument_error(
                       code == 0 ? "a leaf is made by leaf(), not emitted"
                                 : fmt::format("opcode {} is unknown; the table of operations has no such row", code)));
    return 0;
  }
  Node node{.op = op, .inputs = {inputs.begin(), inputs.end()}, .attributes = std::move(attributes), .scope = scope};
  Result<void> good = check_inputs(*this, *row, node.inputs);
  if (good) good = complete_attributes(*row, node.attributes);
  RuleCall call{*this, *row, node.inputs, node.attributes};
  if (good) good = shape_rule(op)(call);
  for (std::size_t i = 0; good && i < call.output_count; ++i) {
    const auto checked = checked_shape(call.outputs[i].shape.lengths(), "the result");
    if (!checked) good = checked.error();
  }
  if (!good) {
    Error error = good.error();
    error.text = fmt::format("{}: {}", row->name, error.text);
    fail_at(scope, std::move(error));
    return 0;
  }
  if (op == Op::random_uniform || op == Op::random_normal) node.site = site != 0 ? site : next_site(scope);
  return add_node(std::move(node), {call.outputs.data(), call.output_count});
}

Value Graph::custom(std::shared_ptr<const CustomKernel> kernel, std::span<const Value> inputs) {
  return custom_in(scope_stack_.back(), std::move(kernel), inputs);
}

Value Graph::custom_in(std::uint32_t scope, std::shared_ptr<const CustomKernel> kernel, std::span<const Value> inputs) {
  if (failed_) return 0;
  if (auto good = check_custom(*this, *kernel, inputs); !good) {
    Error error = good.error();
    error.text = fmt::format("custom kernel \"{}\": {}", kernel->form().name, error.text);
    fail_at(scope, std::move(error));
    return 0;
  }
  std::vector<ValueInfo> outputs;
  for (const CustomOutput& output : kernel->form().outputs)
    outputs.push_back({.dtype = output.dtype, .shape = output.shape});
  Node node{.op = Op::custom, .inputs = {inputs.begin(), inputs.end()}, .attributes = {}, .scope = scope};
  node.custom = std::move(kernel);
  return add_node(std::move(node), outputs);
}

void Graph::output(std::string_view name, Value value) {
  if (failed_ || !name_is_free(name, "output")) return;
  if (!is_valid(value)) {
    fail_at(scope_stack_.back(),
            argument_error(fmt::format("output \"{}\" is none; give it a value of this graph", name)));
    return;
  }
  outputs_.push_back({std::string(name), value});
}

void Graph::drop_outputs_and_updates() {
  outputs_.clear();
  updates_.clear();
}

void Graph::update(Value leaf, Value value) {
  if (failed_) return;
  const auto refuse = [&](std::string text) { fail_at(scope_stack_.back(), argument_error(std::move(text))); };
  const Leaf* target = leaf_of(leaf);
  if (target == nullptr) return refuse("update of a value that is no leaf; only parameters and states are written");
  if (target->kind == LeafKind::input) {
    return refuse(fmt::format("update of input \"{}\"; only parameters and states are written", target->name));
  }
  if (!is_valid(value)) return refuse(fmt::format("update of \"{}\" with none", target->name));
  if (dtype(value) != dtype(leaf) || shape(value) != shape(leaf)) {
    return refuse(fmt::format("update of \"{}\", {} {}, with a value of {} {}", target->name, to_string(dtype(leaf)),
                              shape(leaf).text(), to_string(dtype(value)), shape(value).text()));
  }
  if (std::ranges::any_of(updates_, [&](const Update& known) { return known.leaf == leaf; })) {
    return refuse(fmt::format("\"{}\" is updated twice; one update a leaf", target->name));
  }
  updates_.push_back({leaf, value});
}

// ---- reading --------------------------------------------------------------------------------------------------------

const Leaf* Graph::find_leaf(std::string_view name) const {
  const auto found = leaf_numbers_.find(name);
  return found != leaf_numbers_.end() ? &leaves_[found->second] : nullptr;
}

const Leaf* Graph::leaf_of(Value value) const {
  if (!is_valid(value) || node_of(value).op != Op::leaf) return nullptr;
  const auto found =
      std::ranges::lower_bound(leaves_, value, {}, &Leaf::value);  // leaves stand in order of their values
  return &*found;
}

}  // namespace caddie::graph
