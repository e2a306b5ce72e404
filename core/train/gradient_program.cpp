#include "core/train/gradient_program.hpp"

#include <fmt/format.h>

#include "core/graph/emitter.hpp"
#include "core/graph/gradient.hpp"
#include "core/graph/passes.hpp"

namespace caddie::train {

using graph::Op;
using graph::Value;

namespace {

constexpr const char* kKeep = "host/keep_gradient";  // 0 for the first part of a step, then 1

Value mean_of(graph::Graph& graph, Value value) {
  const graph::Emitter emit{graph};
  const Value sum = emit.reduce(Op::reduce_sum, value, {}, false);
  return emit.scale(sum, 1.0 / static_cast<double>(graph.shape(value).elements()));
}

}  // namespace

Result<void> bind_parameters(graph::Program& program, const plugins::BuildResult& build,
                             const ParameterStore& parameters) {
  for (const plugins::TensorDeclaration& tensor : build.parameters) {
    if (!parameters.contains(tensor.path)) {
      return Error{Code::internal, tensor.path, "appears in a later phase of the run and has no values"};
    }
    if (auto done = program.bind(tensor.path, parameters.values(tensor.path)); !done) return done;
  }
  return {};
}

Result<std::unique_ptr<GradientProgram>> GradientProgram::make(graph::Executor& executor, const plugins::Model& model,
                                                               ParameterStore& parameters, StateStore& states,
                                                               const Options& options) {
  auto self = std::unique_ptr<GradientProgram>(new GradientProgram(executor));
  self->options_ = options;
  auto build = model.build(options.request);
  if (!build) return build.error();
  self->build_ = std::move(*build);
  graph::Graph& graph = self->build_.graph;
  graph.output("loss", self->build_.wire("loss"));
  graph.output("nll", mean_of(graph, self->build_.wire("nll")));
  if (auto status = graph.status(); !status) return status.error();

  if (auto done = self->emit_gradients(parameters); !done) return done.error();
  if (auto done = states.add(self->build_.states, parameters, options.seed); !done) return done.error();
  auto program = executor.compile(graph);
  if (!program) return program.error();
  self->program_ = std::move(*program);
  if (auto done = self->bind(parameters, states); !done) return done.error();
  return self;
}

Result<void> GradientProgram::emit_gradients(const ParameterStore& parameters) {
  // The head and the loss become one operation before the backward pass is made, so that it never keeps the logits.
  auto fused = graph::fuse_linear_cross_entropy(build_.graph);
  if (!fused) return fused.error();
  graph::Graph graph = std::move(*fused);
  Value loss = 0;
  for (const graph::Output& output : graph.outputs()) {
    if (output.name == "loss") loss = output.value;
  }
  std::vector<std::string> wanted_paths;
  std::vector<Value> wanted;
  for (const plugins::TensorDeclaration& tensor : build_.parameters) {
    if (!parameters.contains(tensor.path) || !parameters.is_owned(tensor.path)) continue;
    const graph::Leaf* leaf = graph.find_leaf(tensor.path);
    if (leaf == nullptr) continue;
    wanted_paths.push_back(tensor.path);
    wanted.push_back(leaf->value);
  }
  const auto gradients = graph::gradients(graph, loss, wanted);
  if (!gradients) return gradients.error();
  const Value keep = options_.accumulate > 1 ? graph.leaf(graph::LeafKind::input, kKeep, graph::DType::f32, {}) : 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const Value gradient = (*gradients)[i];
    if (gradient == 0) {
      without_gradient_.push_back(wanted_paths[i]);
      continue;
    }
    with_gradient_.push_back(wanted_paths[i]);
    const std::string name = "gradient/" + wanted_paths[i];
    if (keep == 0) {
      graph.output(name, gradient);
      continue;
    }
    const Value sum = graph.leaf(graph::LeafKind::state, name, graph::DType::f32, graph.shape(gradient));
    const graph::Emitter emit{graph};
    const Value before = emit.where(keep, sum, emit.scalar(0));
    graph.update(sum, emit.add(before, emit.scale(gradient, 1.0 / options_.accumulate)));
  }
  if (auto status = graph.status(); !status) return status.error();
  build_.graph = std::move(graph);
  return {};
}

Result<void> GradientProgram::bind(ParameterStore& parameters, StateStore& states) {
  if (auto done = bind_parameters(*program_, build_, parameters); !done) return done;
  if (auto done = states.bind(*program_, build_.states); !done) return done;
  for (const std::string& path : with_gradient_) {
    if (auto done = program_->bind("gradient/" + path, parameters.gradient(path)); !done) return done;
  }
  if (auto done = scalars_.add(*program_, build_.scalars); !done) return done;
  if (options_.accumulate > 1) {
    if (auto done = scalars_.add(*program_, std::string(kKeep)); !done) return done;
  }
  const std::size_t cells = static_cast<std::size_t>(options_.request.batch * options_.request.context);
  const auto tie = [&](const char* name, std::size_t bytes, graph::BufferPtr& buffer) -> Result<void> {
    auto made = executor_->allocate(bytes);
    if (!made) return made.error();
    buffer = *made;
    return program_->bind(name, {buffer, 0});
  };
  if (auto done = tie("tokens", cells * sizeof(std::int32_t), tokens_); !done) return done;
  if (auto done = tie("targets", cells * sizeof(std::int32_t), targets_); !done) return done;
  if (options_.request.segments) {
    if (auto done = tie("segments", cells * sizeof(std::int32_t), segments_); !done) return done;
  }
  if (auto done = tie("loss", sizeof(float), loss_); !done) return done;
  return tie("nll", sizeof(float), nll_);
}

Result<void> GradientProgram::run(const TokenBatch& batch, const caddie_step& step, int part,
                                  const graph::RunKey& key) {
  if (auto done = executor_->upload({tokens_, 0}, std::as_bytes(std::span(batch.tokens))); !done) return done;
  if (auto done = executor_->upload({targets_, 0}, std::as_bytes(std::span(batch.targets))); !done) return done;
  if (options_.request.segments) {
    if (auto done = executor_->upload({segments_, 0}, std::as_bytes(std::span(batch.segments))); !done) return done;
  }
  if (auto done = scalars_.set(step); !done) return done;
  if (auto done = scalars_.set(kKeep, part == 0 ? 0.0f : 1.0f); !done) return done;
  return program_->run(key);
}

Result<LossReport> GradientProgram::report() const {
  float loss = 0;
  float nll = 0;
  if (auto done = executor_->download(std::as_writable_bytes(std::span(&loss, 1)), {loss_, 0}); !done) {
    return done.error();
  }
  if (auto done = executor_->download(std::as_writable_bytes(std::span(&nll, 1)), {nll_, 0}); !done) {
    return done.error();
  }
  return LossReport{static_cast<double>(loss), static_cast<double>(nll)};
}

}  // namespace caddie::train
