#include "core/train/inert.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "core/base/text.hpp"
#include "core/graph/emitter.hpp"
#include "core/graph/gradient.hpp"

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

// The plan differs from "every layer once", or the block set a wire: neither shows in its calls.
bool plans_something(const BuildResult& build, const std::string& block) {
  return std::ranges::find(build.planners, block) != build.planners.end();
}

// What the block added to the loss, or to the loss through the weights, has a gradient for some parameter.
bool loss_feels(const BuildResult& build, const HookCall& call) {
  graph::Graph copy = build.graph;
  const graph::Emitter emit{copy};
  Value change = emit.sub(call.outputs[0], call.inputs[0]);
  // A weight carries no gradient itself; it matters when it differs from what it was given.
  if (call.hook == "loss.weight") return changes_something(call);
  change = emit.reduce(graph::Op::reduce_sum, change, {}, false);
  std::vector<Value> wanted;
  for (const graph::Leaf& leaf : copy.leaves()) {
    if (leaf.kind == graph::LeafKind::parameter) wanted.push_back(leaf.value);
  }
  const auto gradients = graph::gradients(copy, change, wanted);
  return gradients && std::ranges::any_of(*gradients, [](Value gradient) { return gradient != 0; });
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
      if (declares_something(*build, block) || plans_something(*build, block)) active.insert(block);
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

Result<void> check_gradient_paths(const std::vector<std::string>& without_gradient, const InertAllowance& allowance) {
  std::vector<std::string> inert;
  for (const std::string& path : without_gradient) {
    if (!allowance.allows(path)) inert.push_back(path);
  }
  if (inert.empty()) return {};
  return Error{Code::state, "inert", "parameters that the loss does not depend on: " + names_and_advice(inert)};
}

Result<void> GradientWatch::observe() {
  if (finished()) return {};
  ++steps_;
  for (const plugins::TensorDeclaration& tensor : store_->parameters()) {
    if (!store_->is_owned(tensor.path)) continue;
    const auto gradient = store_->download_gradient(tensor.path);
    if (!gradient) return gradient.error();
    double& largest = largest_[tensor.path];
    for (const float value : *gradient) largest = std::max(largest, std::fabs(static_cast<double>(value)));
  }
  return {};
}

Result<void> GradientWatch::check(const InertAllowance& allowance) const {
  std::vector<std::string> inert;
  for (const auto& [path, largest] : largest_) {
    if (largest == 0 && !allowance.allows(path)) inert.push_back(path);
  }
  if (inert.empty()) return {};
  return Error{Code::state, "inert",
               fmt::format("parameters whose gradient was exactly zero over the first {} steps: {}", steps_, names_and_advice(inert))};
}

}  // namespace caddie::train
