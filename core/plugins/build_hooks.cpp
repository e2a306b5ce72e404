// Running hooks: who is attached, in which order, and what a block may give back.
#include <fmt/format.h>

#include <algorithm>

#include "core/plugins/build.hpp"
#include "core/plugins/call.hpp"

namespace caddie::plugins {

using graph::Value;

bool Build::applies(const BlockInstance& block, const HookInfo* hook) const {
  if (!block.modes.empty() && std::ranges::find(block.modes, request_.mode) == block.modes.end()) return false;
  const bool in_layer = hook == nullptr ? visit_ >= 0 : hook->place == HookPlace::layer && visit_ >= 0;
  if (!in_layer || !block.layers) return true;
  const int layer = result_.visits[static_cast<std::size_t>(visit_)];
  return std::ranges::find(*block.layers, layer) != block.layers->end();
}

std::vector<const BlockInstance*> Build::attached(std::string_view hook, std::vector<const Attachment*>* functions) const {
  struct Found {
    const BlockInstance* block;
    const Attachment* attachment;
  };
  std::vector<Found> found;
  const HookInfo* known = find_hook(hook);
  for (const BlockInstance& block : *blocks_) {
    if (!applies(block, known)) continue;
    for (const Attachment& attachment : block.attachments) {
      if (attachment.hook == hook) found.push_back({&block, &attachment});
    }
  }
  std::ranges::stable_sort(found, {}, [](const Found& entry) { return entry.attachment->phase; });
  std::vector<const BlockInstance*> blocks;
  for (const Found& entry : found) {
    blocks.push_back(entry.block);
    functions->push_back(entry.attachment);
  }
  return blocks;
}

bool Build::has_hook(std::string_view hook) const {
  std::vector<const Attachment*> functions;
  return !attached(hook, &functions).empty();
}

namespace {

// Takes a plugin's report into the graph's sticky error.
void keep_error(graph::Graph& graph, caddie_code code, const caddie_error& error, std::string_view where) {
  const char* text = error.text[0] != '\0' ? error.text : "the plugin reported an error without a text";
  graph.fail({static_cast<Code>(code), std::string(where), text});
}

caddie_error empty_error() {
  caddie_error error = {};
  error.struct_size = sizeof error;
  return error;
}

}  // namespace

void Build::call(const BlockInstance& block, const Attachment& attachment, std::string_view part,
                 const std::vector<Value>& inputs, std::vector<Value>& outputs) {
  if (graph().failed()) return;
  graph().push_scope(block.name);
  running_.push_back({block.name, std::string(part)});
  caddie_error error = empty_error();
  const caddie_code code =
      guarded(error, [&] {
        return attachment.function(attachment.user, to_abi(this), inputs.data(), static_cast<std::uint32_t>(inputs.size()),
                                   outputs.data(), static_cast<std::uint32_t>(outputs.size()), &error);
      });
  const std::string where = graph().current_scope();
  if (code != CADDIE_OK) keep_error(graph(), code, error, where);
  for (const Value output : outputs) {
    if (!graph().failed() && !graph().is_valid(output)) {
      fail(Code::argument, fmt::format("the block gave no value for the hook \"{}\"", attachment.hook));
    }
  }
  if (!graph().failed()) {
    result_.calls.push_back({block.name, attachment.hook, attachment.kind, visit_, inputs, outputs});
  }
  running_.pop_back();
  graph().pop_scope();
}

std::vector<Value> Build::provide(const std::vector<const BlockInstance*>& blocks, const std::vector<const Attachment*>& functions,
                                  std::string_view hook, std::string_view part, const std::vector<Value>& inputs,
                                  std::size_t output_count) {
  // A block limited to some layers stands before one that serves all.
  const auto limited = [&](std::size_t i) { return blocks[i]->layers.has_value() ? 1 : 0; };
  std::size_t chosen = 0;
  for (std::size_t i = 1; i < blocks.size(); ++i) {
    if (limited(i) > limited(chosen)) chosen = i;
  }
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (i != chosen && limited(i) == limited(chosen)) {
      fail(Code::argument, fmt::format("the blocks \"{}\" and \"{}\" both provide the hook \"{}\"{}; only one may: remove one of "
                                       "them or limit it with \"layers\"",
                                       blocks[chosen]->name, blocks[i]->name, hook,
                                       visit_ < 0 ? std::string() : fmt::format(" for layer {}", info().layer)));
    }
  }
  std::vector<Value> outputs(output_count, 0);
  call(*blocks[chosen], *functions[chosen], part, inputs, outputs);
  return outputs;
}

std::vector<Value> Build::run_hook(std::string_view hook, std::string_view part, std::vector<Value> inputs,
                                   std::size_t output_count) {
  std::vector<Value> none(output_count, 0);
  if (graph().failed()) return none;
  std::vector<const Attachment*> functions;
  const std::vector<const BlockInstance*> blocks = attached(hook, &functions);
  const HookInfo* known = find_hook(hook);
  const bool provides = known != nullptr ? known->kind == HookKind::provide
                                         : !functions.empty() && functions.front()->kind == HookKind::provide;
  if (provides) {
    if (blocks.empty()) {
      fail(Code::argument, fmt::format("no block provides the hook \"{}\"{}; add one to \"blocks\"", hook,
                                       visit_ < 0 ? std::string() : fmt::format(" for layer {}", info().layer)));
      return none;
    }
    return provide(blocks, functions, hook, part, inputs, output_count);
  }
  if (output_count > inputs.size()) {
    fail(Code::argument, fmt::format("the hook \"{}\" has {} inputs and cannot give {} values", hook, inputs.size(), output_count));
    return none;
  }
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    std::vector<Value> outputs(output_count, 0);
    call(*blocks[i], *functions[i], part, inputs, outputs);
    if (graph().failed()) return none;
    for (std::size_t k = 0; k < output_count; ++k) {
      if (graph().shape(outputs[k]) != graph().shape(inputs[k]) || graph().dtype(outputs[k]) != graph().dtype(inputs[k])) {
        fail(Code::shape, fmt::format("the block \"{}\" turned a value of the hook \"{}\" from {} into {}; a chain keeps shapes",
                                      blocks[i]->name, hook, graph().shape(inputs[k]).text(), graph().shape(outputs[k]).text()));
        return none;
      }
      inputs[k] = outputs[k];
    }
  }
  inputs.resize(output_count);
  return inputs;
}

Result<caddie_visit_plan> Build::run_plan(std::string_view hook, caddie_visit_plan plan) {
  std::vector<const Attachment*> functions;
  const std::vector<const BlockInstance*> blocks = attached(hook, &functions);
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (functions[i]->plan == nullptr) continue;
    running_.push_back({blocks[i]->name, ""});
    caddie_error error = empty_error();
    const caddie_visit_plan before = plan;
    const caddie_code code = guarded(
        error, [&] { return functions[i]->plan(functions[i]->user, to_abi(this), &plan, &error); });
    running_.pop_back();
    if (code != CADDIE_OK) return Error{static_cast<Code>(code), blocks[i]->name, error.text};
    const bool bad_count = plan.count == 0 || plan.count > CADDIE_MAX_VISITS || plan.encoder > plan.count;
    const bool bad_layer = !bad_count && std::any_of(plan.layers, plan.layers + plan.count, [&](std::int32_t layer) {
      return layer < 0 || layer >= dims_.layers;
    });
    if (bad_count || bad_layer) {
      return Error{Code::argument, blocks[i]->name,
                   fmt::format("made a plan of {} visits ({} in the encoder half) that does not fit {} layers", plan.count,
                               plan.encoder, dims_.layers)};
    }
    const bool same = before.count == plan.count && before.encoder == plan.encoder &&
                      std::equal(plan.layers, plan.layers + plan.count, before.layers);
    if (!same) result_.effects.insert(blocks[i]->name);
  }
  return plan;
}

Result<caddie_visit_plan> Build::run_final_plan(std::string_view hook, caddie_visit_plan plan) {
  at_end_ = true;
  auto planned = run_plan(hook, plan);
  at_end_ = false;
  return planned;
}

Result<caddie_initialiser> Build::run_init(const caddie_tensor_spec& spec, const std::string& path) {
  std::vector<const Attachment*> functions;
  const std::vector<const BlockInstance*> blocks = attached("parameter.init", &functions);
  caddie_initialiser start = spec.initialiser;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (functions[i]->init == nullptr) continue;
    running_.push_back({blocks[i]->name, path});
    caddie_error error = empty_error();
    const caddie_initialiser before = start;
    const caddie_code code = guarded(
        error, [&] { return functions[i]->init(functions[i]->user, to_abi(this), &spec, &start, &error); });
    running_.pop_back();
    if (code != CADDIE_OK) return Error{static_cast<Code>(code), blocks[i]->name, error.text};
    const bool same = before.kind == start.kind && before.a == start.a && before.b == start.b && before.values == start.values;
    if (!same) result_.effects.insert(blocks[i]->name);
  }
  return start;
}

}  // namespace caddie::plugins
