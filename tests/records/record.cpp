#include "tests/records/record.hpp"

#include <cstring>
#include <stdexcept>

#include "core/graph/gradient.hpp"
#include "core/graph/passes.hpp"
#include "runner/pipeline/model_parts.hpp"
#include "test_paths.hpp"

namespace caddie::records {
namespace {

using graph::DType;
using graph::Value;
using manifest::Override;

template <class T>
T value_or_throw(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message());
  return std::move(*result);
}

void throw_unless_ok(const Result<void>& result) {
  if (!result) throw std::runtime_error(result.error().message());
}

const plugins::Registry& registry() {
  static const plugins::Registry found = [] {
    plugins::ScanOptions options;
    options.folders = {std::string(CADDIE_BUILD_DIR) + "/lib/caddie/plugins"};
    return plugins::Registry::scan(options);
  }();
  return found;
}

// What cannot be compared between two implementations: noise, and weights from counts that are still empty.
std::vector<std::string> incomparable(const std::string& run) {
  if (run.starts_with("pr-1033")) return {"complementary-loss"};
  if (run.starts_with("pr-2163")) return {"neftune"};
  return {};
}

// The toy dimensions of tests/golden/records/runs.py.
std::vector<std::string> small_settings(const std::string& run) {
  std::vector<std::string> sets = {"model.dim=32",   "model.heads=4",           "model.kv_heads=2", "model.head_dim=8",
                                   "model.vocab=64", "data.tokenizer.vocab=64", "model.context=40"};
  const auto add = [&](std::initializer_list<const char*> more) { sets.insert(sets.end(), more.begin(), more.end()); };
  if (run != "baseline") add({"blocks.rope.dims=4"});  // the baseline's heads turn as a whole
  if (run == "pr-388" || run == "pr-1033" || run == "pr-1130") {
    add({"blocks.rope.train_len=16", "blocks.bigram.buckets=37", "blocks.bigram.dim=6", "blocks.ve.dim=5"});
  }
  if (run.starts_with("pr-1716")) add({"blocks.bigram.buckets=37", "blocks.bigram.dim=6"});
  if (run.starts_with("pr-2163")) add({"blocks.docs.max_segment=10"});
  return sets;
}

manifest::Resolution resolve(const std::string& run, bool small) {
  std::vector<Override> overrides;
  for (const std::string& plugin : incomparable(run)) overrides.push_back({Override::Kind::disable, plugin});
  if (small) {
    for (const std::string& set : small_settings(run)) overrides.push_back({Override::Kind::set, set});
  }
  const std::filesystem::path files[] = {std::string(CADDIE_SOURCE_DIR) + "/manifests/records/" + run + ".json"};
  const pipeline::RegistryCatalogue catalogue(registry());
  manifest::Resolution resolution = manifest::resolve(files, overrides, catalogue);
  std::string mistakes;
  for (const manifest::Issue& issue : resolution.issues) {
    const bool other_section = !issue.pointer.starts_with("/blocks");  // only blocks are built here
    if (issue.kind == manifest::Issue::Kind::missing_plugin && other_section) continue;
    mistakes += manifest::format_issue(issue) + "\n";
  }
  if (!mistakes.empty()) throw std::runtime_error(mistakes);
  return resolution;
}

// Four tenths of the run are over: the peak of what rises and falls with time.
caddie_step middle_step() {
  caddie_step step = {};
  step.struct_size = sizeof step;
  step.step = 400;
  step.steps = 1000;
  step.elapsed_seconds = 240;
  step.budget_seconds = 600;
  step.fraction = 0.4;
  step.scale = 1;
  return step;
}

// A compiled graph with memory for all its leaves and outputs.
class Bound {
 public:
  Bound(graph::Executor& executor, const graph::Graph& graph)
      : executor_(&executor), program_(value_or_throw(executor.compile(graph))) {
    for (const graph::Leaf& leaf : graph.leaves()) add(graph, leaf.name, leaf.value);
    for (const graph::Output& output : graph.outputs()) add(graph, output.name, output.value);
  }

  void set(const std::string& name, const std::vector<double>& values) {
    const Memory& memory = memory_.at(name);
    if (memory.dtype == DType::i32) return write<std::int32_t>(memory, values);
    executor_->element_bytes(DType::f32) == sizeof(double) ? write<double>(memory, values)
                                                           : write<float>(memory, values);
  }

  [[nodiscard]] std::vector<double> get(const std::string& name) const {
    const Memory& memory = memory_.at(name);
    return executor_->element_bytes(DType::f32) == sizeof(double) ? read<double>(memory) : read<float>(memory);
  }

  void run() {
    throw_unless_ok(program_->run({}));
    throw_unless_ok(executor_->synchronize());
  }

 private:
  struct Memory {
    graph::BufferPtr buffer;
    DType dtype = DType::f32;
    std::size_t elements = 0;
  };

  void add(const graph::Graph& graph, const std::string& name, Value value) {
    const auto elements = static_cast<std::size_t>(graph.shape(value).elements());
    const DType dtype = graph.dtype(value);
    Memory memory{value_or_throw(executor_->allocate(elements * executor_->element_bytes(dtype))), dtype, elements};
    throw_unless_ok(program_->bind(name, {memory.buffer, 0}));
    memory_[name] = std::move(memory);
  }

  template <class T>
  void write(const Memory& memory, const std::vector<double>& values) {
    if (values.size() != memory.elements)
      throw std::runtime_error("a leaf has another number of elements than its values");
    std::vector<T> typed;
    typed.reserve(values.size());
    for (const double value : values) typed.push_back(static_cast<T>(value));
    throw_unless_ok(executor_->upload({memory.buffer, 0}, std::as_bytes(std::span(typed))));
  }

  template <class T>
  [[nodiscard]] std::vector<double> read(const Memory& memory) const {
    std::vector<T> typed(memory.elements);
    throw_unless_ok(executor_->download(std::as_writable_bytes(std::span(typed)), {memory.buffer, 0}));
    return {typed.begin(), typed.end()};
  }

  graph::Executor* executor_;
  std::unique_ptr<graph::Program> program_;
  std::map<std::string, Memory> memory_;
};

void set_leaves(Bound& bound, const plugins::BuildResult& built, const Golden& golden) {
  bound.set("tokens", {golden.tokens.begin(), golden.tokens.end()});
  bound.set("targets", {golden.targets.begin(), golden.targets.end()});
  const caddie_step step = middle_step();
  for (const plugins::StepScalar& scalar : built.scalars) bound.set(scalar.leaf, {scalar.function(scalar.user, &step)});
  for (const plugins::TensorDeclaration& tensor : built.parameters) {
    const auto found = golden.parameters.find(tensor.path);
    if (found == golden.parameters.end())
      throw std::runtime_error(tensor.path + " is no parameter of the golden model");
    bound.set(tensor.path, values_of(tensor.path, found->second));
  }
}

// As training does: head and loss become one operation, then the backward pass is made.
graph::Graph differentiated(const plugins::BuildResult& built, std::vector<std::string>* with_gradient) {
  graph::Graph graph = value_or_throw(graph::fuse_linear_cross_entropy(built.graph));
  Value loss = 0;
  for (const graph::Output& output : graph.outputs()) {
    if (output.name == "loss") loss = output.value;
  }
  std::vector<Value> wanted;
  for (const plugins::TensorDeclaration& tensor : built.parameters)
    wanted.push_back(graph.find_leaf(tensor.path)->value);
  const std::vector<Value> gradients = value_or_throw(graph::gradients(graph, loss, wanted));
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    if (gradients[i] == 0) continue;
    with_gradient->push_back(built.parameters[i].path);
    graph.output("gradient/" + built.parameters[i].path, gradients[i]);
  }
  throw_unless_ok(graph.status());
  return graph;
}

}  // namespace

Record::Record(const std::string& run, bool small) : resolution_(resolve(run, small)) {
  for (const manifest::PluginEntry& entry : resolution_.manifest.blocks) {
    blocks_.push_back(value_or_throw(pipeline::create_object(entry, registry(), host_)));
  }
  const plugins::Dims dims = value_or_throw(pipeline::model_dims(resolution_.manifest, 0));
  model_ = std::make_unique<plugins::Model>(value_or_throw(pipeline::make_model(resolution_.manifest, dims, blocks_)));
}

plugins::BuildResult Record::build(std::int64_t context, double progress) const {
  plugins::BuildRequest request;
  request.mode = CADDIE_MODE_TRAIN;
  request.batch = 1;
  request.context = context;
  request.progress = progress;
  request.scale = 1;
  return value_or_throw(model_->build(request));
}

Outcome compute(const Record& record, const Golden& golden, graph::Executor& executor, double progress) {
  Outcome outcome;
  const auto context = static_cast<std::int64_t>(golden.tokens.size());
  {
    plugins::BuildResult built = record.build(context, progress);
    built.graph.output("logits", built.wire("logits"));
    throw_unless_ok(built.graph.status());
    Bound forward(executor, built.graph);
    set_leaves(forward, built, golden);
    forward.run();
    outcome.logits = forward.get("logits");
  }
  plugins::BuildResult built = record.build(context, progress);
  built.graph.output("loss", built.wire("loss"));
  built.graph.output("nll", built.wire("nll"));
  std::vector<std::string> with_gradient;
  Bound training(executor, differentiated(built, &with_gradient));
  set_leaves(training, built, golden);
  training.run();
  outcome.loss = training.get("loss")[0];
  outcome.nll = training.get("nll");
  for (const std::string& path : with_gradient) outcome.gradients[path] = training.get("gradient/" + path);
  return outcome;
}

}  // namespace caddie::records
