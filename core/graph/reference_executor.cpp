// The plain executor: decomposes a graph and runs its primitives one after another, in f32 or f64.
#include <fmt/format.h>

#include <cstring>
#include <map>
#include <utility>

#include "core/graph/executor.hpp"
#include "core/graph/passes.hpp"
#include "core/graph/rebuild.hpp"
#include "core/graph/reference_ops.hpp"

namespace caddie::graph {
namespace {

using Bytes = std::vector<std::byte>;

Error error_of(Code code, std::string where, std::string text) { return {code, std::move(where), std::move(text)}; }

class HostBuffer final : public Buffer {
 public:
  explicit HostBuffer(std::size_t bytes) : memory_(bytes) {}
  [[nodiscard]] std::size_t size_bytes() const override { return memory_.size(); }
  [[nodiscard]] void* host_data() override { return memory_.data(); }
  [[nodiscard]] void* device_data() override { return memory_.data(); }

 private:
  Bytes memory_;
};

// The bytes of a view, or why it has none.
Result<std::byte*> view_bytes(const BufferView& view, std::size_t bytes, std::size_t alignment, std::string_view what) {
  if (view.buffer == nullptr || view.buffer->host_data() == nullptr) {
    return error_of(Code::argument, std::string(what), "no host memory is given; allocate it from this executor");
  }
  const std::size_t size = view.buffer->size_bytes();
  if (view.offset_bytes > size || bytes > size - view.offset_bytes) {
    return error_of(Code::argument, std::string(what),
                    fmt::format("{} bytes from offset {} do not fit a buffer of {}", bytes, view.offset_bytes, size));
  }
  if (view.offset_bytes % alignment != 0) {
    return error_of(Code::argument, std::string(what),
                    fmt::format("offset {} is no multiple of {} bytes", view.offset_bytes, alignment));
  }
  return static_cast<std::byte*>(view.buffer->host_data()) + view.offset_bytes;
}

std::size_t element_size(DType type, Precision precision) {
  return type == DType::f32 && precision == Precision::f64 ? sizeof(double) : sizeof(float);
}

struct Step {
  std::size_t node = 0;
  Kernel kernel = nullptr;
  std::vector<Value> last_reads;  // values nobody needs after this step
};

class ReferenceProgram final : public Program {
 public:
  ReferenceProgram(Graph graph, Precision precision) : graph_(std::move(graph)), precision_(precision) {}

  Result<void> prepare();
  Result<void> bind(std::string_view name, const BufferView& view) override;
  Result<void> run(const RunKey& key) override;
  [[nodiscard]] std::size_t arena_bytes() const override { return peak_bytes_; }
  [[nodiscard]] std::size_t live_bytes() const override { return peak_bytes_; }

 private:
  [[nodiscard]] std::size_t value_bytes(Value value) const {
    return static_cast<std::size_t>(graph_.shape(value).elements()) * element_size(graph_.dtype(value), precision_);
  }
  void find_last_reads();
  void measure();
  Result<void> require_bound() const;
  void run_step(const Step& step, const RunKey& key);
  void store_results();
  [[nodiscard]] std::byte* memory_of(Value value);

  Graph graph_;
  Precision precision_;
  std::vector<Step> steps_;
  std::map<std::string, std::pair<BufferView, std::byte*>, std::less<>> bound_;
  std::vector<Bytes> values_;  // by value; empty when not alive
  std::size_t peak_bytes_ = 0;
};

Result<void> ReferenceProgram::prepare() {
  const std::vector<bool> live = live_nodes(graph_);
  for (std::size_t i = 0; i < graph_.nodes().size(); ++i) {
    const Node& node = graph_.nodes()[i];
    if (node.op == Op::leaf || !live[i]) continue;
    const Kernel kernel =
        precision_ == Precision::f64 ? reference_kernel<double>(node.op) : reference_kernel<float>(node.op);
    if (kernel == nullptr) {
      return error_of(Code::internal, graph_.scope_name(node.scope),
                      fmt::format("{}: no reference for it", info(node.op).name));
    }
    steps_.push_back({i, kernel, {}});
  }
  values_.resize(graph_.value_count());
  find_last_reads();
  measure();
  return {};
}

void ReferenceProgram::find_last_reads() {
  std::vector<bool> needed(graph_.value_count(), false);
  for (const Output& output : graph_.outputs()) needed[output.value] = true;
  for (const Update& update : graph_.updates()) needed[update.value] = true;
  for (const Leaf& leaf : graph_.leaves()) needed[leaf.value] = true;
  for (std::size_t i = steps_.size(); i-- > 0;) {
    const Node& node = graph_.nodes()[steps_[i].node];
    const auto end_here = [&](Value value) {
      if (!needed[value]) steps_[i].last_reads.push_back(value);
      needed[value] = true;
    };
    for (const Value input : node.inputs) end_here(input);
    for (std::uint32_t n = 0; n < node.output_count; ++n) end_here(node.first_output + n);
  }
}

void ReferenceProgram::measure() {
  std::size_t bytes = 0;
  for (const Step& step : steps_) {
    const Node& node = graph_.nodes()[step.node];
    for (std::uint32_t n = 0; n < node.output_count; ++n) bytes += value_bytes(node.first_output + n);
    peak_bytes_ = std::max(peak_bytes_, bytes);
    for (const Value value : step.last_reads) bytes -= value_bytes(value);
  }
}

Result<void> ReferenceProgram::bind(std::string_view name, const BufferView& view) {
  Value value = 0;
  if (const Leaf* leaf = graph_.find_leaf(name)) value = leaf->value;
  for (const Output& output : graph_.outputs()) {
    if (output.name == name) value = output.value;
  }
  if (value == 0)
    return error_of(Code::argument, std::string(name), "the program has no leaf and no output of this name");
  const auto bytes = view_bytes(view, value_bytes(value), element_size(graph_.dtype(value), precision_), name);
  if (!bytes) return bytes.error();
  bound_[std::string(name)] = {view, *bytes};
  return {};
}

Result<void> ReferenceProgram::require_bound() const {
  for (const Leaf& leaf : graph_.leaves()) {
    if (bound_.contains(leaf.name)) continue;
    return error_of(Code::state, leaf.name, "this leaf is tied to no memory; bind it before the run");
  }
  return {};
}

std::byte* ReferenceProgram::memory_of(Value value) {
  const Leaf* leaf = graph_.leaf_of(value);
  return leaf != nullptr ? bound_.find(leaf->name)->second.second : values_[value].data();
}

void ReferenceProgram::run_step(const Step& step, const RunKey& key) {
  const Node& node = graph_.nodes()[step.node];
  std::vector<const void*> inputs;
  std::vector<void*> outputs;
  for (const Value input : node.inputs) inputs.push_back(memory_of(input));
  for (std::uint32_t n = 0; n < node.output_count; ++n) {
    Bytes& made = values_[node.first_output + n];
    made.resize(value_bytes(node.first_output + n));
    outputs.push_back(made.data());
  }
  step.kernel({graph_, node, inputs, outputs, key});
  for (const Value value : step.last_reads) Bytes().swap(values_[value]);
}

// Everything is read before anything is written, so a leaf may be an output or another leaf's new value.
void ReferenceProgram::store_results() {
  std::vector<std::pair<std::byte*, Bytes>> writes;
  const auto stage = [&](std::byte* target, Value value) {
    const std::byte* from = memory_of(value);
    writes.emplace_back(target, Bytes(from, from + value_bytes(value)));
  };
  for (const Output& output : graph_.outputs()) {
    if (const auto found = bound_.find(output.name); found != bound_.end()) stage(found->second.second, output.value);
  }
  for (const Update& update : graph_.updates()) stage(memory_of(update.leaf), update.value);
  for (const auto& [target, bytes] : writes) std::memcpy(target, bytes.data(), bytes.size());
  for (Bytes& value : values_) Bytes().swap(value);
}

Result<void> ReferenceProgram::run(const RunKey& key) {
  if (auto good = require_bound(); !good) return good;
  for (const Step& step : steps_) run_step(step, key);
  store_results();
  return {};
}

class ReferenceExecutor final : public Executor {
 public:
  explicit ReferenceExecutor(Precision precision) : precision_(precision) {}

  [[nodiscard]] std::string name() const override { return "reference"; }
  [[nodiscard]] std::size_t element_bytes(DType type) const override { return element_size(type, precision_); }

  Result<BufferPtr> allocate(std::size_t bytes) override { return BufferPtr(std::make_shared<HostBuffer>(bytes)); }

  Result<void> upload(const BufferView& to, std::span<const std::byte> from) override {
    const auto target = view_bytes(to, from.size(), 1, "upload");
    if (!target) return target.error();
    if (!from.empty()) std::memcpy(*target, from.data(), from.size());
    return {};
  }

  Result<void> download(std::span<std::byte> to, const BufferView& from) override {
    const auto source = view_bytes(from, to.size(), 1, "download");
    if (!source) return source.error();
    if (!to.empty()) std::memcpy(to.data(), *source, to.size());
    return {};
  }

  Result<void> synchronize() override { return {}; }

  Result<std::unique_ptr<Program>> compile(const Graph& graph) override {
    if (precision_ == Precision::bf16) {
      return error_of(Code::unsupported, "", "the reference executor has no bf16; ask for f32 or f64");
    }
    auto primitives = decompose(graph);
    if (!primitives) return primitives.error();
    auto program = std::make_unique<ReferenceProgram>(std::move(*primitives), precision_);
    if (auto good = program->prepare(); !good) return good.error();
    return std::unique_ptr<Program>(std::move(program));
  }

 private:
  Precision precision_;
};

}  // namespace

std::unique_ptr<Executor> make_reference_executor(const ExecutorOptions& options) {
  return std::make_unique<ReferenceExecutor>(options.precision);
}

}  // namespace caddie::graph
