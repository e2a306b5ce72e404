#include "core/train/activity.hpp"

#include <algorithm>
#include <cmath>

#include "core/graph/emitter.hpp"

namespace caddie::train {

using graph::Emitter;
using graph::Op;
using graph::Value;
using plugins::BuildResult;
using plugins::HookCall;

namespace {

// Sums of squares of what was given and of what was changed, over the calls of one block at one hook.
struct Sums {
  Value given = 0;
  Value changed = 0;
};

void add_squares(graph::Graph& graph, Value& total, Value x) {
  const Emitter emit{graph};
  const Value sum = emit.reduce(Op::reduce_sum, emit.mul(x, x), {}, false);
  total = total == 0 ? sum : emit.add(total, sum);
}

std::map<std::pair<std::string, std::string>, Sums> measure(BuildResult& build) {
  std::map<std::pair<std::string, std::string>, Sums> sums;
  graph::Graph& graph = build.graph;
  for (const HookCall& call : build.calls) {
    for (std::size_t i = 0; i < std::min(call.inputs.size(), call.outputs.size()); ++i) {
      const Value in = call.inputs[i];
      const Value out = call.outputs[i];
      const bool alike = graph.shape(in) == graph.shape(out) && graph.dtype(in) == graph::DType::f32 && graph.dtype(out) == graph::DType::f32;
      if (!alike || in == out) continue;  // handed on: it only looked, or set a wire
      Sums& entry = sums[{call.instance, call.hook}];
      add_squares(graph, entry.given, in);
      add_squares(graph, entry.changed, Emitter{graph}.sub(out, in));
    }
  }
  return sums;
}

}  // namespace

Result<std::unique_ptr<ActivityProbe>> ActivityProbe::make(graph::Executor& executor, const plugins::Model& model,
                                                           const plugins::BuildRequest& request, const ParameterStore& parameters,
                                                           StateStore& states, std::uint64_t seed) {
  auto self = std::unique_ptr<ActivityProbe>(new ActivityProbe(executor));
  plugins::BuildRequest small = request;
  small.batch = 1;
  small.context = std::min(request.context, kTokens);
  self->tokens_per_row_ = small.context;
  auto build = model.build(small);
  if (!build) return build.error();
  const auto sums = measure(*build);
  const Emitter emit{build->graph};
  std::vector<Value> parts;
  for (const auto& [key, entry] : sums) {
    self->measured_.push_back(key);
    parts.push_back(emit.reshape(entry.given, {1}));
    parts.push_back(emit.reshape(entry.changed, {1}));
  }
  build->graph.drop_outputs_and_updates();
  if (!parts.empty()) build->graph.output("sums", emit.concat(parts, 0));
  if (auto status = build->graph.status(); !status) return status.error();
  if (parts.empty()) return self;

  if (auto done = states.add(build->states, parameters, seed); !done) return done.error();
  auto program = executor.compile(build->graph);
  if (!program) return program.error();
  self->program_ = std::move(*program);
  if (auto done = self->bind(*build, parameters, states); !done) return done.error();
  return self;
}

Result<void> ActivityProbe::bind(const BuildResult& build, const ParameterStore& parameters, StateStore& states) {
  if (auto done = bind_parameters(*program_, build, parameters); !done) return done;
  if (auto done = states.bind(*program_, build.states); !done) return done;
  if (auto done = scalars_.add(*program_, build.scalars); !done) return done;
  const auto tie = [&](const char* name, std::size_t cells, graph::BufferPtr& buffer) -> Result<void> {
    auto made = executor_->allocate(cells * sizeof(float));
    if (!made) return made.error();
    buffer = *made;
    return program_->bind(name, {buffer, 0});
  };
  const auto cells = static_cast<std::size_t>(tokens_per_row_);
  if (auto done = tie("tokens", cells, tokens_); !done) return done;
  if (auto done = tie("targets", cells, targets_); !done) return done;
  if (build.graph.find_leaf("segments") != nullptr) {
    if (auto done = tie("segments", cells, segments_); !done) return done;
  }
  return tie("sums", 2 * measured_.size(), sums_);
}

Result<std::vector<HookActivity>> ActivityProbe::run(const TokenBatch& batch, const caddie_step& step, const graph::RunKey& key) {
  if (!program_) return std::vector<HookActivity>();
  const auto cells = static_cast<std::size_t>(tokens_per_row_);
  const auto upload = [&](const graph::BufferPtr& buffer, const std::vector<std::int32_t>& ids) -> Result<void> {
    return executor_->upload({buffer, 0}, std::as_bytes(std::span(ids).first(cells)));
  };
  if (auto done = upload(tokens_, batch.tokens); !done) return done.error();
  if (auto done = upload(targets_, batch.targets); !done) return done.error();
  if (segments_) {
    if (auto done = upload(segments_, batch.segments); !done) return done.error();
  }
  if (auto done = scalars_.set(step); !done) return done.error();
  if (auto done = program_->run(key); !done) return done.error();
  std::vector<float> sums(2 * measured_.size());
  if (auto done = executor_->download(std::as_writable_bytes(std::span(sums)), {sums_, 0}); !done) return done.error();

  std::vector<HookActivity> activity;
  for (std::size_t i = 0; i < measured_.size(); ++i) {
    const double given = static_cast<double>(sums[2 * i]);
    const double changed = static_cast<double>(sums[2 * i + 1]);
    const double change = given > 0 ? std::sqrt(changed / given) : (changed > 0 ? INFINITY : 0.0);
    activity.push_back({measured_[i].first, measured_[i].second, change});
  }
  return activity;
}

void ActivityRecord::take(const std::vector<HookActivity>& hooks) {
  for (const HookActivity& entry : hooks) {
    double& change = blocks_[entry.block].change[entry.hook];
    change = std::max(change, entry.change);
  }
}

void ActivityRecord::take(const std::map<std::string, double>& squares, const std::vector<plugins::TensorDeclaration>& parameters) {
  std::map<std::string, double> sums;
  std::map<std::string, std::int64_t> counts;
  for (const plugins::TensorDeclaration& tensor : parameters) {
    counts[tensor.instance] += tensor.shape.elements();
    if (const auto found = squares.find(tensor.path); found != squares.end()) sums[tensor.instance] += found->second;
  }
  for (const auto& [block, count] : counts) blocks_[block].parameters = count;
  for (const auto& [block, sum] : sums) {
    blocks_[block].gradient_norm = std::max(blocks_[block].gradient_norm, std::sqrt(sum));
  }
}

std::vector<BlockActivity> ActivityRecord::blocks(const std::vector<std::string>& names) const {
  std::vector<BlockActivity> list;
  for (const std::string& name : names) {
    const auto found = blocks_.find(name);
    list.push_back(found == blocks_.end() ? BlockActivity{} : found->second);
    list.back().block = name;
  }
  return list;
}

nlohmann::json ActivityRecord::to_json() const {
  std::vector<std::string> names;
  for (const auto& [name, block] : blocks_) names.push_back(name);
  return train::to_json(blocks(names));
}

ActivityRecord ActivityRecord::from_json(const nlohmann::json& json) {
  ActivityRecord record;
  for (BlockActivity& block : activity_from_json(json)) {
    const std::string name = block.block;
    record.blocks_[name] = std::move(block);
  }
  return record;
}

nlohmann::json to_json(const std::vector<BlockActivity>& blocks) {
  nlohmann::json list = nlohmann::json::array();
  for (const BlockActivity& block : blocks) {
    list.push_back({{"block", block.block}, {"change", block.change}, {"parameters", block.parameters}, {"gradient_norm", block.gradient_norm}});
  }
  return list;
}

std::vector<BlockActivity> activity_from_json(const nlohmann::json& json) {
  std::vector<BlockActivity> blocks;
  if (!json.is_array()) return blocks;
  for (const nlohmann::json& entry : json) {
    if (!entry.is_object() || !entry.contains("block") || !entry["block"].is_string()) continue;
    BlockActivity block;
    block.block = entry["block"].get<std::string>();
    if (entry.contains("parameters") && entry["parameters"].is_number_integer()) block.parameters = entry["parameters"].get<std::int64_t>();
    if (entry.contains("gradient_norm") && entry["gradient_norm"].is_number()) block.gradient_norm = entry["gradient_norm"].get<double>();
    if (entry.contains("change") && entry["change"].is_object()) {
      for (const auto& [hook, change] : entry["change"].items()) {
        if (change.is_number()) block.change[hook] = change.get<double>();
      }
    }
    blocks.push_back(std::move(block));
  }
  return blocks;
}

}  // namespace caddie::train
