#include "core/cuda/program.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "core/base/text.hpp"

namespace caddie::cuda {

using graph::BufferView;
using graph::Home;

namespace {

constexpr std::size_t kVector = 16;  // what kernels take the address of a value to be a multiple of
constexpr std::size_t kMostEvents = 20000;

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// A command with its addresses.
struct Issued {
  bool product = false;
  std::uint32_t id = 0;  // kernel or plan
  std::uint32_t blocks = 0;
  std::size_t first = 0, count = 0;  // of the addresses of a launch
  ProductMemory memory{};            // of a product
};

struct IssuedStep {
  std::size_t first = 0, last = 0;  // of the commands
  const CompiledGraph::PlacedStep* step = nullptr;
};

class CudaProgram final : public graph::Program {
 public:
  CudaProgram(std::unique_ptr<CompiledGraph> graph, std::shared_ptr<Device> device, bool timed)
      : device_(std::move(device)), graph_(std::move(graph)), timed_(timed), tied_(graph_->bindings().size()) {}

  Result<void> prepare() {
    auto arena = device_->allocate(std::max<std::size_t>(graph_->plan().arena_bytes, kVector), "intermediate values");
    if (!arena) return arena.error();
    arena_ = std::move(*arena);
    auto key = device_->allocate(sizeof(graph::RunKey), "the key of random numbers");
    if (!key) return key.error();
    key_ = std::move(*key);
    return {};
  }

  Result<void> bind(std::string_view name, const BufferView& view) override {
    const int found = graph_->find(name);
    if (found < 0) {
      std::vector<std::string> known;
      for (const CompiledGraph::Binding& binding : graph_->bindings()) known.push_back(binding.name);
      return Error{Code::argument, std::string(name),
                   "the program has no leaf and no output of this name" + did_you_mean(name, known)};
    }
    Tied& tied = tied_[static_cast<std::size_t>(found)];
    const CompiledGraph::Binding& binding = graph_->bindings()[static_cast<std::size_t>(found)];
    const auto bytes = static_cast<std::size_t>(binding.elements) * sizeof(float);
    const auto memory = bytes_of_view(view, bytes, sizeof(float), name);
    if (!memory) return memory.error();
    if (tied.buffer == view.buffer && tied.given == *memory) return {};
    tied.buffer = view.buffer;
    tied.given = tied.used = *memory;
    tied.copy = nullptr;
    if (binding.leaf != 0 && reinterpret_cast<std::uintptr_t>(*memory) % kVector != 0) {
      auto copy = device_->allocate(bytes, "an aligned copy of a leaf");
      if (!copy) return copy.error();
      tied.copy = std::move(*copy);
      tied.used = tied.copy->data();
    }
    recording_ = nullptr;
    resolved_ = false;
    return {};
  }

  Result<void> run(const graph::RunKey& key) override {
    if (!resolved_) {
      if (auto good = require_leaves(); !good) return good;
      resolve();
    }
    static_assert(sizeof(graph::RunKey) == 3 * sizeof(std::uint64_t));
    if (auto good = device_->upload(key_->data(), std::as_bytes(std::span(&key, 1))); !good) return good;
    if (timed_) return run_timed();
    if (recording_ != nullptr) return device_->replay(*recording_);
    if (auto good = issue_all(); !good) return good;
    auto recording = device_->record([this] { return issue_all(); });
    if (!recording) return recording.error();
    recording_ = std::move(*recording);
    return {};
  }

  [[nodiscard]] std::size_t arena_bytes() const override { return graph_->plan().arena_bytes; }
  [[nodiscard]] std::size_t live_bytes() const override { return graph_->plan().live_bytes; }

  [[nodiscard]] std::vector<graph::ProfileEntry> profile() override {
    std::vector<graph::ProfileEntry> out;
    for (const auto& [key, entry] : entries_) out.push_back(entry);
    entries_.clear();
    std::ranges::stable_sort(out, std::ranges::greater{}, &graph::ProfileEntry::seconds);
    return out;
  }
  [[nodiscard]] std::vector<graph::TraceEvent> trace() override { return std::exchange(events_, {}); }

 private:
  struct Tied {
    graph::BufferPtr buffer;
    std::byte* given = nullptr;
    std::byte* used = nullptr;  // by kernels
    DeviceMemoryPtr copy;       // where `given` is not aligned
  };

  [[nodiscard]] Result<void> require_leaves() const {
    for (std::size_t i = 0; i < tied_.size(); ++i) {
      const CompiledGraph::Binding& binding = graph_->bindings()[i];
      if (binding.leaf == 0 || tied_[i].used != nullptr) continue;
      return Error{Code::state, binding.name, "this leaf is tied to no memory; bind it before the run"};
    }
    return {};
  }

  // ---- addresses ----------------------------------------------------------------------------------------------------

  [[nodiscard]] std::byte* address(const Place& place, std::size_t scratch) const {
    switch (place.space) {
      case Space::none: return nullptr;
      case Space::value: return value_address(place.value) + place.bytes;
      case Space::shadow: return arena_->data() + graph_->shadow_offset(place.value) + place.bytes;
      case Space::scratch: return arena_->data() + scratch + place.bytes;
      case Space::key: return key_->data();
      case Space::output: return tied_[place.value].given + place.bytes;
    }
    return nullptr;
  }

  [[nodiscard]] std::byte* value_address(graph::Value value) const {
    const graph::Storage& storage = graph_->storage()[value];
    if (storage.home == Home::arena) return arena_->data() + graph_->arena_offset(value);
    if (storage.home == Home::constant) return graph_->constants()->data() + graph_->constant_offset(storage.owner);
    return leaf_address_[storage.owner];
  }

  void resolve() {
    leaf_address_.assign(graph_->storage().size(), nullptr);
    for (std::size_t i = 0; i < tied_.size(); ++i) {
      if (const graph::Value leaf = graph_->bindings()[i].leaf; leaf != 0) leaf_address_[leaf] = tied_[i].used;
    }
    addresses_.clear();
    issued_.clear();
    steps_.clear();
    for (const CompiledGraph::PlacedStep& step : graph_->steps()) resolve(step);
    resolve(graph_->before_outputs());
    for (std::size_t i = 0; i < tied_.size(); ++i) {
      const CompiledGraph::Binding& binding = graph_->bindings()[i];
      if (binding.leaf == 0 && tied_[i].given != nullptr) resolve(graph_->output_steps()[binding.output_step]);
    }
    resolve(graph_->after_outputs());
    resolved_ = true;
  }

  void resolve(const CompiledGraph::PlacedStep& step) {
    IssuedStep made{issued_.size(), issued_.size(), &step};
    for (const Command& command : step.commands) {
      Issued issued;
      issued.first = addresses_.size();
      if (const auto* launch = std::get_if<LaunchCommand>(&command)) {
        issued.id = launch->kernel;
        issued.blocks = launch->blocks;
        for (const Place& place : launch->places) addresses_.push_back(address(place, step.scratch));
      } else {
        const auto& product = std::get<ProductCommand>(command);
        issued.product = true;
        issued.id = product.plan;
        const auto at = [&](const Place& place) { return address(place, step.scratch); };
        issued.memory = {at(product.a),      at(product.b),    at(product.c),      at(product.scale),
                         at(product.addend), at(product.bias), at(product.before), arena_->data() + step.scratch +
                                                                                       product.workspace};
      }
      issued.count = addresses_.size() - issued.first;
      issued_.push_back(issued);
    }
    made.last = issued_.size();
    steps_.push_back(made);
  }

  // ---- running ------------------------------------------------------------------------------------------------------

  Result<void> issue(const IssuedStep& step) {
    for (std::size_t i = step.first; i < step.last; ++i) {
      const Issued& command = issued_[i];
      std::byte* const* at = addresses_.data() + command.first;
      const auto done = command.product ? device_->multiply(command.id, command.memory)
                                        : device_->launch(command.id, command.blocks, {at, command.count});
      if (!done) {
        Error error = done.error();
        if (error.where.empty()) error.where = step.step->scope;
        return error;
      }
    }
    return {};
  }

  // Leaves that stand where kernels cannot read them go through copies.
  Result<void> copy_leaves(bool back) {
    for (std::size_t i = 0; i < tied_.size(); ++i) {
      const Tied& tied = tied_[i];
      const CompiledGraph::Binding& binding = graph_->bindings()[i];
      if (tied.copy == nullptr || (back && !binding.updated)) continue;
      const auto bytes = static_cast<std::size_t>(binding.elements) * sizeof(float);
      const auto done =
          back ? device_->copy(tied.given, tied.used, bytes) : device_->copy(tied.used, tied.given, bytes);
      if (!done) return done;
    }
    return {};
  }

  Result<void> issue_all() {
    if (auto good = copy_leaves(false); !good) return good;
    for (const IssuedStep& step : steps_) {
      if (auto good = issue(step); !good) return good;
    }
    return copy_leaves(true);
  }

  Result<void> run_timed() {
    if (auto good = copy_leaves(false); !good) return good;
    const double start = wall_seconds();
    if (auto good = device_->mark(); !good) return good;
    for (const IssuedStep& step : steps_) {
      if (auto good = issue(step); !good) return good;
      if (auto good = device_->mark(); !good) return good;
    }
    if (auto good = copy_leaves(true); !good) return good;
    auto times = device_->times();
    if (!times) return times.error();
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      const CompiledGraph::PlacedStep& step = *steps_[i].step;
      if (step.commands.empty()) continue;
      const double seconds = (*times)[i + 1] - (*times)[i];
      graph::ProfileEntry& entry = entries_[{step.cost.group, step.scope}];
      entry.group = step.cost.group;
      entry.scope = step.scope;
      entry.seconds += seconds;
      entry.busy_seconds += seconds;
      entry.flops += step.cost.flops;
      entry.bytes += step.cost.bytes;
      if (events_.size() < kMostEvents) {
        events_.push_back({step.name, step.cost.group, step.scope, 0, start + (*times)[i], seconds});
      }
    }
    return {};
  }

  std::shared_ptr<Device> device_;
  std::unique_ptr<CompiledGraph> graph_;
  bool timed_;
  bool resolved_ = false;
  DeviceMemoryPtr arena_, key_;
  std::vector<Tied> tied_;  // by binding
  std::vector<std::byte*> leaf_address_;  // by value
  std::vector<std::byte*> addresses_;
  std::vector<Issued> issued_;
  std::vector<IssuedStep> steps_;
  std::unique_ptr<Recording> recording_;
  std::map<std::pair<std::string, std::string>, graph::ProfileEntry> entries_;
  std::vector<graph::TraceEvent> events_;
};

}  // namespace

Result<std::byte*> bytes_of_view(const BufferView& view, std::size_t bytes, std::size_t alignment,
                                 std::string_view where) {
  const auto refuse = [&](std::string text) { return Error{Code::argument, std::string(where), std::move(text)}; };
  if (view.buffer == nullptr) return refuse("no buffer is given; allocate one from this executor");
  if (view.buffer->host_data() != nullptr || view.buffer->device_data() == nullptr) {
    return refuse("the buffer is not in the device's memory; allocate it from this executor");
  }
  const std::size_t size = view.buffer->size_bytes();
  if (view.offset_bytes > size || bytes > size - view.offset_bytes) {
    return refuse(fmt::format("{} bytes from offset {} do not fit a buffer of {}", bytes, view.offset_bytes, size));
  }
  if (view.offset_bytes % alignment != 0)
    return refuse(fmt::format("offset {} is no multiple of {} bytes", view.offset_bytes, alignment));
  return static_cast<std::byte*>(view.buffer->device_data()) + view.offset_bytes;
}

Result<std::unique_ptr<graph::Program>> make_program(const graph::Graph& graph, std::shared_ptr<Device> device,
                                                     const graph::ExecutorOptions& options) {
  auto compiled = CompiledGraph::compile(graph, options.precision, *device);
  if (!compiled) return compiled.error();
  auto program = std::make_unique<CudaProgram>(std::move(*compiled), std::move(device), options.profile);
  if (auto good = program->prepare(); !good) return good.error();
  return std::unique_ptr<graph::Program>(std::move(program));
}

}  // namespace caddie::cuda
