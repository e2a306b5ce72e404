#include "core/train/inert.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "core/base/text.hpp"
#include "core/graph/gradient.hpp"
#include "core/graph/vjp.hpp"

namespace caddie::train {

using graph::Value;
using plugins::BuildResult;
using plugins::HookCall;
using plugins::HookKind;

namespace {

constexpr const char* kHowToAllow = "remove it from the manifest, or name it under \"allow_inert\" with the reason";

bool is_loss_hook(const std::string& hook) { return hook == "loss.term" || hook == "loss.weight"; }

bool changes_something(const HookCall& call) {
  if (call.kind == HookKind::provide) return true;
  return !std::equal(call.outputs.begin(), call.outputs.end(), call.inputs.begin());
}

bool declares_something(const BuildResult& build, const std::string& block) {
  const auto mine = [&](const plugins::TensorDeclaration& tensor) { return tensor.instance == block; };
  return std::ranges::any_of(build.parameters, mine) || std::ranges::any_of(build.states, mine);
}

// It changed the plan or an initial value, or set a wire that another read: none of these shows in its calls.
bool has_effect(const BuildResult& build, const std::string& block) { return build.effects.contains(block); }

// A gradient flows from `value` back to some parameter without passing `barrier`.
bool reaches_parameter(const graph::Graph& graph, Value value, Value barrier) {
  std::vector<bool> seen(graph.value_count(), false);
  std::vector<Value> open = {value};
  while (!open.empty()) {
    const Value here = open.back();
    open.pop_back();
    if (here == barrier || seen[here] || graph.dtype(here) != graph::DType::f32) continue;
    seen[here] = true;
    if (const graph::Leaf* leaf = graph.leaf_of(here)) {
      if (leaf->kind == graph::LeafKind::parameter) return true;
      continue;
    }
    const graph::Node& node = graph.nodes()[graph.info(here).node];
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      if (graph::gradient_flows(node.op, i, here - node.first_output)) open.push_back(node.inputs[i]);
    }
  }
  return false;
}

// The gradient of the loss after the call by the loss before it is the constant 1: nothing but a sum was made of it.
bool only_adds(const BuildResult& build, const HookCall& call) {
  graph::Graph copy = build.graph;
  const std::vector<Value> before = {call.inputs[0]};
  const auto gradients = graph::gradients(copy, call.outputs[0], before);
  if (!gradients || gradients->front() == 0) return false;
  const graph::Node& node = copy.nodes()[copy.info(gradients->front()).node];
  return node.op == graph::Op::constant &&
         std::ranges::equal(node.attributes.reals("values"), std::vector<double>{1.0});
}

// What the block made of the loss has another gradient for some parameter than the loss it was given.
bool loss_feels(const BuildResult& build, const HookCall& call) {
  // A weight carries no gradient itself; it matters when it differs from what it was given.
  if (call.hook == "loss.weight") return changes_something(call);
  return !only_adds(build, call) || reaches_parameter(build.graph, call.outputs[0], call.inputs[0]);
}

std::string names_and_advice(const std::vector<std::string>& names) {
  return fmt::format("{}; {}", fmt::join(names, ", "), kHowToAllow);
}

}  // namespace

bool InertAllowance::allows(const std::string& name) const {
  return std::ranges::any_of(globs_, [&](const std::string& glob) { return matches_glob(glob, name); });
}

Result<void> check_blocks(const std::vector<std::string>& blocks, const std::vector<const BuildResult*>& builds,
                          const InertAllowance& allowance) {
  std::set<std::string> active;
  std::vector<std::string> unfelt;
  for (const BuildResult* build : builds) {
    for (const std::string& block : blocks) {
      if (declares_something(*build, block) || has_effect(*build, block)) active.insert(block);
    }
    for (const HookCall& call : build->calls) {
      if (!changes_something(call)) continue;
      active.insert(call.instance);
      const bool listed = std::ranges::find(unfelt, call.instance) != unfelt.end();
      if (is_loss_hook(call.hook) && !listed && !allowance.allows(call.instance) && !loss_feels(*build, call)) {
        unfelt.push_back(call.instance);
      }
    }
  }
  std::vector<std::string> inert;
  for (const std::string& block : blocks) {
    if (!active.contains(block) && !allowance.allows(block)) inert.push_back(block);
  }
  std::string text;
  if (!inert.empty()) text = "blocks that change nothing: " + names_and_advice(inert);
  if (!unfelt.empty()) {
    if (!text.empty()) text += ". ";
    text += "loss terms that give no parameter a gradient: " + names_and_advice(unfelt);
  }
  if (!text.empty()) return Error{Code::state, "inert", text};
  return {};
}

namespace {

Result<void> refuse(const std::vector<std::string>& names, const InertAllowance& allowance, const char* what) {
  std::vector<std::string> inert;
  for (const std::string& name : names) {
    if (!allowance.allows(name)) inert.push_back(name);
  }
  if (inert.empty()) return {};
  return Error{Code::state, "inert", fmt::format("{}: {}", what, names_and_advice(inert))};
}

}  // namespace

Result<void> check_gradient_paths(const std::vector<std::string>& without_gradient, const InertAllowance& allowance) {
  return refuse(without_gradient, allowance, "parameters that the loss does not depend on");
}

Result<void> check_averagers(const std::vector<std::string>& without_effect, const InertAllowance& allowance) {
  return refuse(without_effect, allowance, "averagers that change nothing");
}

Result<void> GradientWatch::observe(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    Seen& seen = seen_[path];
    if (seen.steps >= kSteps) continue;
    const auto gradient = store_->download_gradient(path);
    if (!gradient) return gradient.error();
    ++seen.steps;
    seen.squares = 0;
    for (const float value : *gradient) {
      seen.largest = std::max(seen.largest, std::fabs(static_cast<double>(value)));
      seen.squares += static_cast<double>(value) * static_cast<double>(value);
    }
  }
  return {};
}

bool GradientWatch::looks_at(const std::vector<std::string>& paths) const {
  return std::ranges::any_of(paths, [&](const std::string& path) {
    const auto seen = seen_.find(path);
    return seen == seen_.end() || seen->second.steps < kSteps;
  });
}

std::map<std::string, double> GradientWatch::squares() const {
  std::map<std::string, double> squares;
  for (const auto& [path, seen] : seen_) squares[path] = seen.squares;
  return squares;
}

nlohmann::json GradientWatch::to_json() const {
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [path, seen] : seen_) json[path] = {seen.steps, seen.largest, seen.squares};
  return json;
}

Result<void> GradientWatch::load(const nlohmann::json& json) {
  const Error bad{Code::format, "checkpoint", "the list of watched gradients in its section \"activity\" is malformed"};
  if (!json.is_object()) return bad;
  std::map<std::string, Seen> seen;
  for (const auto& [path, entry] : json.items()) {
    const bool fits = entry.is_array() && entry.size() == 3 && entry[0].is_number_integer() && entry[1].is_number() &&
                      entry[2].is_number();
    if (!fits || entry[0] < 0 || entry[0] > kSteps) return bad;
    seen[path] = {entry[0].get<int>(), entry[1].get<double>(), entry[2].get<double>()};
  }
  seen_ = std::move(seen);
  return {};
}

Result<void> GradientWatch::check(const InertAllowance& allowance) const {
  std::vector<std::string> inert;
  for (const auto& [path, seen] : seen_) {
    if (seen.steps >= kSteps && seen.largest == 0 && !allowance.allows(path)) inert.push_back(path);
  }
  if (inert.empty()) return {};
  return Error{Code::state, "inert",
               fmt::format("parameters whose gradient was exactly zero over their first {} steps: {}", kSteps,
                           names_and_advice(inert))};
}

}  // namespace caddie::train
